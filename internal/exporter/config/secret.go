package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// hidden is what a secret looks like in all output.
const hidden = "<secret>"

// Secret is a text that is never shown. In a configuration file it is a text,
// with ${NAME} for a variable of the environment, or a mapping with the key
// file. A file is read each time that the secret is needed, so that it can
// change. The zero value is no secret.
type Secret struct {
	// text is a pointer, because fmt shows the fields of a structure that it
	// reached through a pointer without asking it.
	text *string
	file string
}

// NewSecret returns a secret in memory.
func NewSecret(text string) Secret { return Secret{text: &text} }

// SecretFile returns the secret in a file; an empty path is no secret.
func SecretFile(path Path) Secret { return Secret{file: string(path)} }

// IsSet reports whether there is a secret at all.
func (s Secret) IsSet() bool { return s.text != nil && *s.text != "" || s.file != "" }

// Read returns the secret without the line break at its end; without one it is empty.
func (s Secret) Read() (string, error) {
	switch {
	case s.file == "" && s.text == nil:
		return "", nil
	case s.file == "":
		return *s.text, nil
	}
	content, err := os.ReadFile(s.file)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

// FromFile reports whether the secret is read from a file.
func (s Secret) FromFile() bool { return s.file != "" }

// Check reports why the secret cannot be read now.
func (s Secret) Check() error {
	text, err := s.Read()
	if err == nil && s.file != "" && text == "" {
		err = fmt.Errorf("read the secret: %s is empty", s.file)
	}
	return err
}

// String hides the secret.
func (Secret) String() string { return hidden }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return hidden }

// MarshalText hides the secret from dumps.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// variable is a reference to the environment.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

var errSecret = errors.New(`must be a text, or a mapping with the key "file"`)

// secret decodes either form of a secret.
func (d *decoder) secret(n *yaml.Node, into *Secret, key string) {
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "file":
		var file Path
		mistakes := len(d.errors)
		d.value(n.Content[1], valueOf(&file), join(key, "file"))
		if file == "" && len(d.errors) == mistakes {
			d.failf(n, join(key, "file"), "must be the path of a file")
		}
		*into = SecretFile(file)
		return
	case n.Kind != yaml.ScalarNode || !known(n.ShortTag()):
		d.fail(n, key, errSecret)
		return
	}
	var missing []string
	text := variable.ReplaceAllStringFunc(n.Value, func(reference string) string {
		name := variable.FindStringSubmatch(reference)[1]
		value, ok := os.LookupEnv(name)
		if !ok {
			missing = append(missing, name)
		}
		return value
	})
	if missing != nil {
		d.failf(n, key, "the environment has no variable %s", strings.Join(missing, ", "))
		return
	}
	*into = NewSecret(text)
}
