package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// secret is a password in memory, or in a file if that has a name. Text that is
// behind a pointer is never printed with what holds it.
type secret struct {
	text *string
	file string
}

// newSecret returns a secret; an empty text and an empty file are no password.
func newSecret(text, file string) secret { return secret{text: &text, file: file} }

// empty reports whether there is no password.
func (s secret) empty() bool { return s.file == "" && (s.text == nil || *s.text == "") }

// read returns the secret for one of the names of a server. A file is read
// anew, so that a password can be changed under a running exporter.
func (s secret) read(names ...string) (string, error) {
	if s.empty() {
		return "", nil
	}
	if s.file == "" {
		return *s.text, nil
	}
	b, err := os.ReadFile(s.file)
	if err != nil {
		return "", fmt.Errorf("read a password: %w", err)
	}
	b = bytes.TrimRight(b, "\r\n")
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return string(b), nil
	}
	var byName map[string]string
	if err := json.Unmarshal(b, &byName); err != nil {
		return "", errors.New("read a password: " + s.file + " begins with { and is no JSON object of strings")
	}
	for _, name := range names {
		if password, ok := byName[name]; ok {
			return password, nil
		}
	}
	return "", nil // As the established exporter: try without a password.
}
