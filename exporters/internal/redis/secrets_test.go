package redis

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

func TestSecretsDoNotPrint(t *testing.T) {
	a, err := parseAddress("redis://me:s3cret@host")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("REDIS_PASSWORD", "s3cret")
	s, _ := serviceFor(t)
	for _, v := range []any{a, &a, config.NewSecret("s3cret"), s.credentials, *s.credentials, s.flags} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "s3cret") {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
	}
}

func TestSecretFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	for _, c := range []struct{ content, want, err string }{
		{"plain\n", "plain", ""},
		{"with spaces \r\n", "with spaces ", ""},
		{`{"redis://a:1": "one", "b:2": "two"}`, "two", ""},
		{`{"redis://a:1": "one"}`, "", ""},
		{`{"a": s3cret}`, "", "must be a JSON object of texts"},
	} {
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := passwordFor(config.SecretFile(config.Path(file)), "redis://b:2", "b:2")
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %q, %v; want %q, %q", c.content, got, err, c.want, c.err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
