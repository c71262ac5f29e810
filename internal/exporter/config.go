package exporter

import (
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v2" // exporter-toolkit links this one already
)

// LoadConfig decodes a YAML file into a struct, strictly: a field that the
// struct does not have, or that is given twice, is an error with its line. No
// error holds a value of the file, which may be a secret. An empty path leaves
// the struct as it is.
func LoadConfig(path string, into any) error {
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		return fmt.Errorf("%s: %s", path, withoutValues(err))
	}
	return nil
}

// withoutValues returns the text of a YAML error on one line, without the
// values that it quotes.
func withoutValues(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n")
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if before, rest, found := strings.Cut(line, "`"); found {
			_, after, _ := strings.Cut(rest, "`")
			line = before + "a value" + after
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "; ")
}
