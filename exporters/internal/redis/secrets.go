package redis

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// passwordFor returns the password of a server that has these names: a secret,
// or one of several in a file with a JSON object.
func passwordFor(s config.Secret, names ...string) (string, error) {
	text, err := s.Read()
	if err != nil || !s.FromFile() || !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return text, err
	}
	var byName map[string]string
	if json.Unmarshal([]byte(text), &byName) != nil { // Its error would hold a part of the file.
		return "", fmt.Errorf("read the secret: a file that begins with { must be a JSON object of texts")
	}
	for _, name := range names {
		if password, ok := byName[name]; ok {
			return password, nil
		}
	}
	return "", nil // As the established exporter: try without a password.
}

// secretOf returns the secret in a file, or else the one in memory.
func secretOf(text, file string) config.Secret {
	if file != "" {
		return config.SecretFile(config.Path(file))
	}
	return config.NewSecret(text)
}
