package exporter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoadConfig(t *testing.T) {
	type config struct {
		Name    string
		Timeout time.Duration
		Targets []struct{ URL string }
	}
	tests := []struct{ name, text, want string }{
		{"whole", "name: a\ntimeout: 5s\ntargets: [{url: u}]\n", ""},
		{"empty", "", ""},
		{"comment only", "# nothing\n", ""},
		{"unknown field", "name: a\nnmae: b\n", "line 2: field nmae not found"},
		{"unknown field below", "targets:\n- url: u\n  uri: v\n", "line 3: field uri not found"},
		{"twice", "name: a\nname: b\n", `line 2: field name already set`},
		{"wrong type", "timeout: hunter2\nname: [hunter2]\n", "line 1: cannot unmarshal !!str a value into time.Duration; line 2: cannot unmarshal !!seq into string"},
		{"value over lines", "timeout: |\n  hunter2\n  hunter2\n", "line 1: cannot unmarshal !!str a value"},
		{"syntax", "name: a\n\tname: b\n", "line 2: found a tab character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := LoadConfig(path, &config{})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%v", err)
			case tt.want == "":
			case err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), tt.want):
				t.Errorf("%v, want %q", err, tt.want)
			case strings.Contains(err.Error(), "hunter2"):
				t.Errorf("%v holds a value", err)
			}
		})
	}
	if err := LoadConfig("", &config{}); err != nil {
		t.Errorf("no path: %v", err)
	}
	if err := LoadConfig(filepath.Join(t.TempDir(), "none.yml"), &config{}); err == nil || !strings.HasPrefix(err.Error(), "read the configuration: ") {
		t.Errorf("missing file: %v", err)
	}
}
