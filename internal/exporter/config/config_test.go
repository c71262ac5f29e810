package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// sample has a key of every kind.
type sample struct {
	Name     string            `yaml:"name"`
	Poll     time.Duration     `yaml:"poll"`
	MaxBytes int64             `yaml:"max_bytes"`
	Share    float64           `yaml:"share"`
	Quiet    bool              `yaml:"quiet"`
	File     Path              `yaml:"file"`
	Token    Secret            `yaml:"token"`
	OAuth2   *login            `yaml:"oauth2"`
	TLS      TLS               `yaml:"tls"`
	Labels   map[string]string `yaml:"labels"`
	Modules  map[string]module `yaml:"modules"`
	Targets  []target          `yaml:"targets"`
	Networks []netip.Prefix    `yaml:"networks"`
}

type login struct {
	User     string `yaml:"user"`
	Password Secret `yaml:"password"`
}

func (l *login) Check() error {
	if l.User == "" {
		return At("user", errors.New("is missing"))
	}
	return nil
}

type module struct {
	Login login `yaml:",inline"`
	Depth uint8 `yaml:"depth"`
}

type target struct {
	URL  string        `yaml:"url"`
	Wait time.Duration `yaml:"wait"`
}

func (t *target) Check() error {
	if t.URL == "bad" {
		return At("url", errors.New("is bad"))
	}
	return nil
}

func TestErrors(t *testing.T) {
	t.Setenv("CONFIG_TEST", "x")
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "name: a\nnmae: b\n", `f.yml: line 2: unknown key "nmae", did you mean "name"?`},
		{"unknown key below", "targets:\n- url: u\n  adress: v\n", `f.yml: line 3: targets[0]: unknown key "adress", there are: url, wait`},
		{"twice", "name: a\nname: hunter2\n", "f.yml: line 2: name: given twice, first in line 1"},
		{"text for a mapping", "oauth2: hunter2\n", "f.yml: line 1: oauth2: must be a mapping with the keys user, password, not a single value"},
		{"list for a mapping", "oauth2: [hunter2]\n", "not a list"},
		{"set for a mapping", "oauth2: {hunter2}\n", "f.yml: line 1: oauth2: unknown key, there are: user, password"},
		{"text for a list", "targets: hunter2\n", "f.yml: line 1: targets: must be a list, not a single value"},
		{"text for an item", "targets: [hunter2]\n", "f.yml: line 1: targets[0]: must be a mapping with the keys url, wait, not a single value"},
		{"mapping for a list", "targets: {hunter2: hunter2}\n", "targets: must be a list, not a mapping"},
		{"mapping for a text", "name: {hunter2: hunter2}\n", "name: must be a text, not a mapping"},
		{"list for a text", "labels: {a: [hunter2]}\n", "labels.a: must be a text, not a list"},
		{"text for a mapping of names", "labels: hunter2\n", "labels: must be a mapping, not a single value"},
		{"text for a number", "max_bytes: hunter2\n", "f.yml: line 1: max_bytes: must be a whole number"},
		{"text that is a number", "max_bytes: '1'\n", "max_bytes: must be a whole number"},
		{"number with a unit", "max_bytes: 10MB\n", "max_bytes: must be a whole number"},
		{"fraction", "max_bytes: 1.5\n", "max_bytes: must be a whole number"},
		{"negative number", "max_bytes: -3\n", "max_bytes: must be a whole number, and not a negative one"},
		{"large number", "max_bytes: 99999999999999999999\n", "max_bytes: must be a whole number, and not such a large one"},
		{"number too large for its kind", "modules: {a: {user: u, depth: 256}}\n", "modules.a.depth: must be a whole number, and not such a large one"},
		{"no number", "share: .nan\n", "share: must be a number"},
		{"text for a truth value", "quiet: hunter2\n", "quiet: must be true or false"},
		{"no unit", "name: a\npoll: 30\n", "f.yml: line 2: poll: must be a duration with a unit, such as 30s"},
		{"no duration", "targets: [{url: u, wait: hunter2}]\n", "targets[0].wait: must be a duration with a unit"},
		{"negative duration", "poll: -5s\n", "poll: must be a duration with a unit"},
		{"list for a duration", "poll: [hunter2]\n", "poll: must be a duration with a unit, such as 30s, 5m, 12h or 7d, not a list"},
		{"list for a secret", "token: [hunter2]\n", `f.yml: line 1: token: must be a text, or a mapping with the key "file"`},
		{"mapping for a secret", "token: {hunter2: hunter2}\n", `token: must be a text, or a mapping with the key "file"`},
		{"list for the file of a secret", "token: {file: [hunter2]}\n", "token.file: must be a path, not a list"},
		{"no file of a secret", "token: {file: }\n", "token.file: must be the path of a file"},
		{"missing file of a secret", "name: a\ntoken: {file: none}\n", "f.yml: line 2: token: read the secret: open none: no such file or directory"},
		{"missing variable", "token: ${CONFIG_TEST}${CONFIG_TEST_NONE}\n", "token: the environment has no variable CONFIG_TEST_NONE"},
		{"text of its own type", "networks: [192.0.2.0]\n", "f.yml: line 1: networks[0]: "},
		{"check", "oauth2:\n  password: hunter2\n", "f.yml: line 2: oauth2.user: is missing"},
		{"check with a place", "targets:\n- wait: 5s\n  url: bad\n", "f.yml: line 3: targets[0].url: is bad"},
		{"check above another", "targets:\n- {url: bad}\ntls: {ca_file: none.pem}\noauth2: {password: {file: none}}\n", "f.yml: line 2: targets[0].url: is bad\nf.yml: line 3: tls: read the CA certificates: open none.pem: no such file or directory\nf.yml: line 4: oauth2.password: read the secret: open none: no such file or directory\nf.yml: line 4: oauth2.user: is missing"},
		{"missing CA", "tls: {ca_file: none.pem}\n", "f.yml: line 1: tls: read the CA certificates: open none.pem: no such file or directory"},
		{"half a certificate", "tls: {cert_file: none.pem}\n", "tls: a client certificate needs both its file and the file of its key"},
		{"tag", "name: !hunter2 a\n", "name: must be a text without a tag"},
		{"binary", "token: !!binary aHVudGVyMg==\n", "token: must be a text"},
		{"key that is a list", "[hunter2]: a\n", "f.yml: line 1: a key must be a text"},
		{"key that is an alias", "name: &a hunter2\n*a : b\n", "f.yml: line 2: a key must be a text"},
		{"unknown anchor", "token: *hunter2\n", "f.yml: line 1: an alias has no anchor"},
		{"anchor that holds itself", "modules: &a {a: *a}\n", "f.yml: line 1: modules.a: unknown key \"a\""},
		{"merge of itself", "oauth2: &a {<<: *a}\n", "oauth2: aliases make too much of this"},
		{"merge of a text", "oauth2: {<<: hunter2, user: u}\n", "oauth2: << merges mappings, not a single value"},
		{"syntax", "name: a\n\tname: b\n", "f.yml: line 2: found a tab character"},
		{"syntax in quotes", "token: 'hunter2\n", "f.yml: "},
		{"text for a file", "hunter2\n", "f.yml: line 1: must be a mapping with the keys name, poll"},
		{"second document", "name: a\n---\nname: hunter2\n", "f.yml: line 2: a second document begins here"},
		{"second broken document", "name: a\n---\n\t: hunter2\n", "f.yml: line 3: a tab, or a character"},
		{"colon in a text", "name: hunter2: b\n", "f.yml: line 1: a colon that is not expected"},
		{"indented too little", "oauth2:\n    user: u\n  password: hunter2\n", "f.yml: line 3: no key where one is expected"},
		{"three at once", "poll: 1\nquiet: 2\nnmae: 3\n", "f.yml: line 1: poll: must be a duration with a unit, such as 30s, 5m, 12h or 7d\nf.yml: line 2: quiet: must be true or false\nf.yml: line 3: unknown key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f.yml", []byte(tt.text), &sample{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			checkError(t, err)
		})
	}
}

// checkError holds that an error shows no value, no type of Go and nothing of the YAML package.
func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, bad := range []string{"hunter2", "config.", "!!", "unmarshal", "yaml:", "struct"} {
		if strings.Contains(err.Error(), bad) {
			t.Errorf("error %q has %q in it", err, bad)
		}
	}
}

// TestMisplacedSecret puts a secret, in every form, in the place of every value.
func TestMisplacedSecret(t *testing.T) {
	var keys []string
	for _, key := range names(fields(valueOf(&sample{}))) {
		// Names that users choose, paths and networks are told.
		if key != "modules" && key != "file" && key != "networks" {
			keys = append(keys, key)
		}
	}
	forms := []string{
		"hunter2", "'hunter2'", "[hunter2]", "[[hunter2]]", "{hunter2}", "{hunter2: hunter2}", "[{hunter2: }]", "{user: hunter2, hunter2}",
		"|\n    hunter2\n    hunter2", "*hunter2", "!hunter2 x", "!!int hunter2", "!!bool hunter2", "{<<: hunter2}", "{a: hunter2}", "{a: [hunter2]}", "{file: [hunter2]}",
	}
	for _, key := range keys {
		for _, form := range forms {
			for _, text := range []string{key + ": " + form, "targets: [{" + key + ": " + strings.TrimPrefix(form, "|\n") + "}]", "modules: {m: {" + key + ": 1, user: u, password: " + strings.TrimPrefix(form, "|\n") + "}}"} {
				_, err := Parse("f.yml", []byte(text), &sample{})
				if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), `unknown key "hunter2"`, ""), "hunter2") {
					t.Errorf("%q: error %q shows the value", text, err)
				}
			}
		}
	}
}

func TestParse(t *testing.T) {
	t.Setenv("CONFIG_TEST", "hunter2")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(" a b \r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := `
name: 0123
poll: 1d12h
max_bytes: 1e6
share: 2
quiet: yes
file: sub/file
token: {file: token}
oauth2: &login {user: u, password: "a ${CONFIG_TEST} $5"}
labels: {a: 1, b: true}
modules:
  m: {<<: *login, user: v, depth: 3}
targets: [{url: u, wait: 1.5h}, *login2]
networks: [192.0.2.0/24]
`
	text = "\n" + strings.Replace(text, "\nname:", "\nmodules: {}\nname:", 1)
	if _, err := Parse(filepath.Join(dir, "f.yml"), []byte(text), &sample{}); err == nil {
		t.Error("no error for an unknown anchor")
	}
	text = strings.Replace(strings.Replace(text, ", *login2", "", 1), "\nmodules: {}", "", 1)
	var s sample
	file, err := Parse(filepath.Join(dir, "f.yml"), []byte(text), &s)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Token.Read()
	if token != " a b " || err != nil {
		t.Errorf("token %q, error %v", token, err)
	}
	for _, check := range []struct{ name, got, want string }{
		{"name", s.Name, "0123"},
		{"poll", s.Poll.String(), "36h0m0s"},
		{"max_bytes", fmt.Sprint(s.MaxBytes), "1000000"},
		{"share", fmt.Sprint(s.Share), "2"},
		{"quiet", fmt.Sprint(s.Quiet), "true"},
		{"file", string(s.File), filepath.Join(dir, "sub/file")},
		{"labels", fmt.Sprint(s.Labels), "map[a:1 b:true]"},
		{"wait", s.Targets[0].Wait.String(), "1h30m0s"},
		{"depth", fmt.Sprint(s.Modules["m"].Depth), "3"},
		{"user", s.Modules["m"].Login.User, "v"},
		{"password", *s.Modules["m"].Login.Password.text, "a hunter2 $5"},
		{"network", s.Networks[0].String(), "192.0.2.0/24"},
	} {
		if check.got != check.want {
			t.Errorf("%s is %q, want %q", check.name, check.got, check.want)
		}
	}
	if err := file.Wrap("modules.m", errors.New("is odd")); err.Error() != filepath.Join(dir, "f.yml")+": line 13: modules.m: is odd" {
		t.Errorf("error %q has another place", err)
	}
	for _, value := range []any{s, &s, *s.OAuth2, s.OAuth2, s.Modules, s.Token} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(format, value); strings.Contains(text, "hunter2") {
				t.Errorf("%s shows the secret: %s", format, text)
			}
		}
		asYAML, _ := yaml.Marshal(value) // What cannot be dumped shows nothing.
		asJSON, _ := json.Marshal(value)
		if text := string(asYAML) + string(asJSON); strings.Contains(text, "hunter2") {
			t.Errorf("a dump shows the secret: %s", text)
		}
	}
}

func TestLoad(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "~\n", "name:\n"} {
		path := filepath.Join(t.TempDir(), "f.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, &sample{}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if file, err := Load("", &sample{}); file != nil || err != nil {
		t.Errorf("no path: %v", err)
	}
	if err := (*File)(nil).Wrap("a", os.ErrClosed); !errors.Is(err, os.ErrClosed) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yml"), &sample{}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none.yml") {
		t.Errorf("missing file: %v", err)
	}
}

func TestDigest(t *testing.T) {
	one := func() *sample {
		return &sample{Name: "a", Token: NewSecret("x"), OAuth2: &login{User: "u"}, Labels: map[string]string{"a": "b", "c": "d"}, Targets: []target{{}, {}}}
	}
	if same := Digest(one()); same != Digest(one()) {
		t.Error("equal configurations have two digests")
	}
	for name, change := range map[string]func(*sample){
		"text":         func(s *sample) { s.Name = "b" },
		"secret":       func(s *sample) { s.Token = NewSecret("y") },
		"secret below": func(s *sample) { s.OAuth2.Password = NewSecret("y") },
		"secret file":  func(s *sample) { s.Token = SecretFile("x") },
		"label":        func(s *sample) { s.Labels["a"] = "d" },
		"list":         func(s *sample) { s.Targets = s.Targets[:1] },
		"duration":     func(s *sample) { s.Poll = 1 },
		"pointer":      func(s *sample) { s.OAuth2 = nil },
	} {
		changed := one()
		change(changed)
		if Digest(changed) == Digest(one()) {
			t.Errorf("another %s has the same digest", name)
		}
	}
	s := one()
	s.TLS.CAFile = Path(filepath.Join(t.TempDir(), "ca.pem"))
	var digests []string
	for _, content := range []string{"a", "b"} {
		if err := os.WriteFile(string(s.TLS.CAFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		digests = append(digests, Digest(s))
	}
	if digests[0] == digests[1] {
		t.Error("other certificates have the same digest")
	}
}

// FuzzParse holds that no file makes Parse panic or its errors hold the words of the YAML package.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"name: a\n", "oauth2: &a {<<: *a}", "a: &a [*a]", "? [x]\n: y", "%YAML 1.1\n---\n", "modules: &m {a: {<<: [*m, *m]}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Parse("f.yml", []byte(text), &sample{})
		if err != nil && (strings.Contains(err.Error(), "unmarshal") || strings.Contains(err.Error(), "yaml:")) && !strings.Contains(text, "unmarshal") && !strings.Contains(text, "yaml:") {
			t.Errorf("%q: error %q", text, err)
		}
	})
}
