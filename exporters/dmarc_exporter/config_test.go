package main

import (
	"bytes"
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
	files, err := filepath.Glob("testdata/config/invalid-*.yml")
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
			var stdout, stderr bytes.Buffer
			if code := run([]string{"check-config", file}, nil, &stdout, &stderr); code != exitRefused {
				t.Errorf("exit code %d, want %d", code, exitRefused)
			}
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("message %q, want %q", stderr.String(), want)
			}
		})
	}
}

func TestValidConfig(t *testing.T) {
	t.Setenv("CONFIG_TEST_SECRET", testSecret)
	const file = "testdata/config/valid.yml"
	var stdout, stderr bytes.Buffer
	if code := run([]string{"check-config", file}, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	c, err := loadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(c.Sources.Directories[0].Path), filepath.Join("testdata/config", "reports"); got != want {
		t.Errorf("path %q, want %q: relative to the file", got, want)
	}
	if got, err := c.Sources.IMAP[0].Password.Read(); got != "from-a-file" || err != nil {
		t.Errorf("secret %q, error %v", got, err)
	}
	if got, err := c.Sources.HTTP.Token.Read(); got != testSecret || err != nil {
		t.Errorf("secret %q, error %v", got, err)
	}
	sources, err := build(&c.Sources, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != 9 {
		t.Errorf("%d sources, want 9", len(sources))
	}
	again, err := build(&c.Sources, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for key := range sources {
		if again[key] == nil {
			t.Errorf("source %s has another key when it is made again", sources[key].Status().Name)
		}
	}
	c.Sources.IMAP[1].OAuth2.ClientSecret = config.NewSecret("another")
	changed, err := build(&c.Sources, nil, slog.New(slog.DiscardHandler))
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
	c, err := loadConfig("testdata/config/valid.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{c, *c, c.Sources, *c.Sources.HTTP, c.Sources.HTTP.Token, *c.Sources.IMAP[1].OAuth2, c.Sources.Graph[0], *c.Sources.Graph[0].OAuth2} {
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

// TestPlaces names the item of the file, or the source of a flag, that is wrong.
func TestPlaces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, []byte("sources:\n  directories: [{path: /a}]\n  mboxes:\n  - {path: /b}\n  - {path: /c, after: move}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		options serveOptions
		want    string
	}{
		{serveOptions{configFile: file, mboxes: []string{"/d"}}, file + ": line 5: sources.mboxes[1]: mbox /c: "},
		{serveOptions{dirs: []string{"/a", "/a"}}, "source dir:/a is given twice"},
	} {
		c, err := tt.options.load()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := build(&c.Sources, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
}

// TestNoConfigFile names the file that is not there.
func TestNoConfigFile(t *testing.T) {
	_, err := loadConfig("testdata/config/none.yml")
	if err == nil || !strings.Contains(err.Error(), "testdata/config/none.yml") {
		t.Errorf("error %v, want one that names the file", err)
	}
}
