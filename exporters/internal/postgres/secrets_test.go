package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

const hidden = "h1dden"

// TestSecretsStayHidden holds that passwords are in no error and no dump.
func TestSecretsStayHidden(t *testing.T) {
	var m module
	m.UserPass.Password = config.NewSecret(hidden)
	c := fileConfig{DataSources: []dataSource{{DSN: config.NewSecret("postgres://u:" + hidden + "@h/d")}}, AuthModules: map[string]module{"m": m}}
	dump, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(dump), fmt.Sprint(c), fmt.Sprintf("%+v %#v %s %q", c, c, c, m.UserPass.Password)} {
		if strings.Contains(text, hidden) {
			t.Errorf("the password is in %s", text)
		}
	}
	for _, dsn := range []string{
		"postgres://u:" + hidden + "%zz@h/d", "postgres://u:" + hidden + "@h:port/d", "host=h password=" + hidden + " port=x",
		"host=h password='" + hidden, "postgres://u:" + hidden + "@h/d?sslmode=what", "postgres://u:" + hidden + "@h/d?sslrootcert=/missing&sslmode=verify-ca",
		hidden, "postgres://[" + hidden, "postgres://u:a b" + hidden + "@h",
	} {
		if _, err := (source{dsn: func() (string, error) { return dsn, nil }}).address(); err == nil || strings.Contains(err.Error(), hidden) {
			t.Errorf("%q: %v", dsn, err)
		}
	}
	file := filepath.Join(t.TempDir(), "config.yml")
	for _, text := range []string{
		"data_sources: " + hidden, "data_sources: [{dsn: {password: " + hidden + "}}]", "auth_modules: {m: {type: " + hidden + "}}",
		"auth_modules: {m: {type: userpass, userpass: {password: [" + hidden + "]}}}", "auth_modules: {m: {type: userpass, userpass: " + hidden + "}}",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadConfig(file); err == nil || strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCommandPassword(t *testing.T) {
	calls := filepath.Join(t.TempDir(), "calls")
	p := credentials{
		PasswordCommand:  []string{"sh", "-c", "echo x >> " + calls + "; echo " + hidden + "; echo noise >&2"},
		PasswordLifetime: time.Hour,
	}.newPassword()
	for range 3 {
		if got, err := p(context.Background()); got != hidden || err != nil {
			t.Fatalf("= %q, %v", got, err)
		}
	}
	if text, err := os.ReadFile(calls); err != nil || string(text) != "x\n" {
		t.Errorf("called %q, %v", text, err)
	}
	short := credentials{PasswordCommand: []string{"sh", "-c", "echo x >> " + calls + "; echo " + hidden}, PasswordLifetime: time.Nanosecond}.newPassword()
	for range 2 {
		if _, err := short(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if text, err := os.ReadFile(calls); err != nil || string(text) != "x\nx\nx\n" {
		t.Errorf("after the lifetime: called %q, %v", text, err)
	}
	for _, command := range []string{"echo " + hidden + "; echo " + hidden + " >&2; exit 3", "true", "sleep 60"} {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		got, err := credentials{PasswordCommand: []string{"sh", "-c", command}}.newPassword()(ctx)
		cancel()
		if got != "" || err == nil || strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: %q, %v", command, got, err)
		}
	}
	if _, err := (credentials{PasswordCommand: []string{"/does/not/exist"}}).newPassword()(context.Background()); err == nil {
		t.Error("a missing command works")
	}
}
