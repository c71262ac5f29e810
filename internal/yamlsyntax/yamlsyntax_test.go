package yamlsyntax_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/dmarc-suite/dmarc-suite/internal/yamlsyntax"
)

func TestMistake(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"a tab", "a: 1\n\tb: 2\n", 2, "a tab"},
		{"a tab in a list", "a:\n- b\n\t- c\n", 3, ""},
		{"a colon in a text", "a: 1\nb: hunter2: c\n", 2, "put a text with a colon in quotes"},
		{"indented too little", "a:\n  - b: 1\n    c: 2\n   d: 3\ne: 4\n", 4, "indent like the lines around it"},
		{"indented too much", "a: 1\n  b: 2\nc: 3\n", 2, ""},
		{"an open quote", "a: 1\nb: \"hunter2\nc: 3\nd: 4\n", 2, "a text in quotes that does not end"},
		{"an open list", "a: 1\nb: [c,\n  d\ne: 3\n", 2, "a list that does not end with ]"},
		{"an open mapping", "a: {b: 1\nc: 2\n", 1, "a mapping that does not end with }"},
		{"a closed list before", "a: [b,\n  c]\nd: @e\n", 3, "in quotes"},
		{"in a second document", "a: 1\n---\n\t: 2\n", 3, "a tab"},
		{"an anchor that is not there", "a: 1\nb: *hunter2\n", 2, "an alias has no anchor"},
		{"a byte that is not text", "a: 1\nb: \x01\n", 2, "control characters are not allowed"},
		{"a long file", strings.Repeat("a: 1\n", 1000) + "b: @c\n", 1001, "in quotes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := yaml.NewDecoder(strings.NewReader(tt.text)).Decode(new(yaml.Node))
			if err == nil {
				t.Fatal("the text is right")
			}
			line, mistake := yamlsyntax.Mistake([]byte(tt.text), err)
			if line != tt.line || !strings.Contains(mistake.Error(), tt.want) || strings.Contains(mistake.Error(), "hunter2") || strings.Contains(mistake.Error(), "line ") {
				t.Errorf("line %d: %v, want line %d: …%s…", line, mistake, tt.line, tt.want)
			}
		})
	}
}
