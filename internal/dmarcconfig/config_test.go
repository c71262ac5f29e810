package dmarcconfig

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

const testSecret = "s3cr3t-in-a-test"

// TestInvalidConfig holds the message for each mistake, which the first line of each file tells.
func TestInvalidConfig(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid-*.yml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			want := strings.TrimPrefix(first, "# want: ")
			c, err := Load(file)
			if err == nil {
				err = errors.Join(c.Validate(), c.CheckBudget(2000))
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("message %v, want %q", err, want)
			}
		})
	}
}

func TestValidConfig(t *testing.T) {
	t.Setenv("CONFIG_TEST_SECRET", testSecret)
	const file = "testdata/valid.yml"
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(c.Sources.Directories[0].Path), filepath.Join("testdata", "reports"); got != want {
		t.Errorf("path %q, want %q: relative to the file", got, want)
	}
	if got, err := c.Sources.IMAP[0].Password.Read(); got != "from-a-file" || err != nil {
		t.Errorf("secret %q, error %v", got, err)
	}
	if got, err := c.Sources.HTTP.Token.Read(); got != testSecret || err != nil {
		t.Errorf("secret %q, error %v", got, err)
	}
	sources, err := c.Sources.Build(nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != 11 {
		t.Errorf("%d sources, want 11", len(sources))
	}
	again, err := c.Sources.Build(nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for key := range sources {
		if again[key] == nil {
			t.Errorf("source %s has another key when it is made again", sources[key].Status().Name)
		}
	}
	c.Sources.IMAP[1].OAuth2.ClientSecret = config.NewSecret("another")
	changed, err := c.Sources.Build(nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	missing := 0
	for key := range sources {
		if changed[key] == nil {
			missing++
		}
	}
	if missing != 1 {
		t.Errorf("%d sources have another key after one secret changed, want 1", missing)
	}
}

// TestSecretsHidden holds that no way of printing a configuration shows a secret.
func TestSecretsHidden(t *testing.T) {
	t.Setenv("CONFIG_TEST_SECRET", testSecret)
	c, err := Load("testdata/valid.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{c, *c, c.Sources, *c.Sources.HTTP, c.Sources.HTTP.Token, *c.Sources.IMAP[1].OAuth2, c.Sources.Graph[0], *c.Sources.Graph[0].OAuth2, c.Sources.S3[0]} {
			if text := fmt.Sprintf(format, value); strings.Contains(text, testSecret) {
				t.Errorf("%s of %T shows the secret: %s", format, value, text)
			}
		}
	}
	text, err := yaml.Marshal(c)
	if err == nil && strings.Contains(string(text), testSecret) {
		t.Errorf("YAML shows the secret:\n%s", text)
	}
}

// TestNoConfigFile names the file that is not there.
func TestNoConfigFile(t *testing.T) {
	_, err := Load("testdata/none.yml")
	if err == nil || !strings.Contains(err.Error(), "testdata/none.yml") {
		t.Errorf("error %v, want one that names the file", err)
	}
}
