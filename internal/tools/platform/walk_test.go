package platform

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/yaml"

	"github.com/dmarc-suite/dmarc-suite/internal/tools/jail"
)

// stack is a copy of what the compose file refers to, prepared as the document
// says, with all commands but that of the engine.
func stack(t *testing.T) *types.Project {
	t.Helper()
	top := t.TempDir()
	for _, dir := range []string{"deploy/compose", "rules", "dashboards"} {
		if err := os.CopyFS(filepath.Join(top, dir), os.DirFS(filepath.Join(root, dir))); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(top, "deploy/compose")
	jail.Shell(t, top, jail.Steps(t, "Compose"), []string{"read -rsp \"$name: \" p", "p=secret"}, `
docker() { [ "$*" = "compose -f compose.monitoring.yaml up --detach" ]; }
curl() { [ "$*" = "-s --retry 5 --retry-connrefused http://127.0.0.1:9090/api/v1/targets" ]; }
editor() {
	[ "$1" != dmarc_exporter.yml ] || sed -i "s/imap.example.com:993/127.0.0.1:1/" "$1"
	[ "$1" != .env ] || sed -i -e "s/^APP_NETWORK=.*/&app_default/; s/^APP_LOG_DIR=.*/&\/var\/log\/app/; s/^POSTGRES_DB=.*/&dmarc/" \
		-e "s/_USER=.*/&someone/; s/^\(POSTGRES\|REDIS\|NGINX\)_HOST=.*/\1_HOST=127.0.0.1/; s/^HOST_GATEWAY=.*/HOST_GATEWAY=127.9.7.9/" "$1"
}
`)
	variables, err := dotenv.Read(filepath.Join(dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for name, value := range variables {
		if value == "" {
			t.Errorf("%s of .env is empty", name)
		}
		env = append(env, name+"="+value)
	}
	project, err := loadFrom(t, dir, env)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// TestComposeRuns does what the document says of the stack: the exporters run with the
// arguments, variables, files and secrets of their services, as their user, and
// their health checks agree; what others run on is whole.
func TestComposeRuns(t *testing.T) {
	jail.Need(t, "bash", "promtool", "amtool")
	project := stack(t)
	ours := 0
	for name, s := range project.Services {
		for _, v := range s.Volumes {
			_, named := project.Volumes[v.Source]
			if _, err := os.Stat(v.Source); v.Type == types.VolumeTypeBind && err != nil && strings.HasPrefix(v.Source, project.WorkingDir) || v.Type == types.VolumeTypeVolume && !named {
				t.Errorf("%s: there is no %s: %v", name, v.Source, err)
			}
		}
		image, _, _ := strings.Cut(strings.TrimPrefix(s.Image, "ghcr.io/dmarc-suite/"), ":")
		if image == s.Image || strings.Contains(image, "/") {
			continue
		}
		ours++
		t.Run(name, func(t *testing.T) { runService(t, project, s, image) })
	}
	if ours != 5 {
		t.Errorf("%d exporters in the stack, want 5", ours)
	}
	t.Run("prometheus", func(t *testing.T) { prometheus(t, project) })
	t.Run("alertmanager", func(t *testing.T) {
		check(t, "amtool", "check-config", source(t, project.Services["alertmanager"], "/etc/alertmanager/alertmanager.yml"))
	})
	t.Run("grafana", func(t *testing.T) { grafana(t, project) })
	t.Run("loki", func(t *testing.T) {
		parsed(t, source(t, project.Services["loki"], "/etc/loki/loki.yml"), &map[string]any{})
	})
}

// source is the file of the host that a service has at a path.
func source(t *testing.T, s types.ServiceConfig, path string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if rest, found := strings.CutPrefix(path, v.Target); found && v.Type == types.VolumeTypeBind {
			return v.Source + rest
		}
	}
	t.Fatalf("%s has no %s", s.Name, path)
	return ""
}

// check runs a program that says whether a file is whole.
func check(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func parsed(t *testing.T, path string, value any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(jail.Read(t, path), value); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}

// runService runs an exporter in a root that has what its container has.
func runService(t *testing.T, project *types.Project, s types.ServiceConfig, binary string) {
	t.Parallel()
	j := jail.Jail{Dir: t.TempDir(), User: 65532}
	jail.Install(t, binary, filepath.Join(j.Dir, "exporter"))
	if s.User != "65532:65532" {
		t.Fatalf("user %q", s.User)
	}
	for _, v := range s.Volumes {
		at := filepath.Join(j.Dir, v.Target)
		switch info, err := os.Stat(v.Source); {
		case v.Target == "/host": // This machine's, which a test does not bind.
			fallthrough
		case v.Type == types.VolumeTypeVolume || err != nil || info.IsDir():
			if err := os.MkdirAll(at, 0o755); err != nil {
				t.Fatal(err)
			}
			if v.Type == types.VolumeTypeVolume { // The image gives it to its user.
				if err := os.Chown(at, 65532, 65532); err != nil {
					t.Fatal(err)
				}
			}
		default:
			jail.Write(t, at, jail.Read(t, v.Source), info.Mode().Perm())
		}
	}
	for _, secret := range s.Secrets {
		file := project.Secrets[secret.Source].File
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		jail.Write(t, filepath.Join(j.Dir, "run/secrets", secret.Source), jail.Read(t, file), info.Mode().Perm())
	}
	at := "127.9.7.9:9100" // as .env and the command of the service have it
	if binary != "node_exporter" {
		at = jail.Address(t)
		j.Environment = append(j.Environment, strings.ToUpper(binary)+"_WEB_LISTEN_ADDRESS="+at)
	}
	for name, value := range s.Environment {
		if value == nil {
			t.Fatalf("%s has no value", name)
		}
		j.Environment = append(j.Environment, name+"="+*value)
	}
	if got, want := jail.Metrics(t, at, j.Start(t, append([]string{"/exporter"}, s.Command...)...)), jail.Exporters[binary]; !strings.Contains(got, want) {
		t.Errorf("metrics lack %q:\n%s", want, got)
	}
	if s.HealthCheck.Test[0] != "CMD" {
		t.Fatalf("health check %q", s.HealthCheck.Test)
	}
	if out, err := j.Command(t.Context(), s.HealthCheck.Test[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%q: %v\n%s", s.HealthCheck.Test, err, out)
	}
}

// prometheus checks the configuration with its rules where the service has them, and
// that each target is a service, or the host.
func prometheus(t *testing.T, project *types.Project) {
	s := project.Services["prometheus"]
	text := string(jail.Read(t, source(t, s, "/etc/prometheus/prometheus.yml")))
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	jail.Write(t, config, []byte(strings.ReplaceAll(text, "/etc/prometheus/rules", source(t, s, "/etc/prometheus/rules"))), 0o644)
	if out := check(t, "promtool", "check", "config", config); strings.Count(out, "rules found") < 10 {
		t.Errorf("Prometheus finds few rules:\n%s", out)
	}
	for _, target := range regexp.MustCompile(`targets: \[([^:\]]+):`).FindAllStringSubmatch(text, -1) {
		if _, found := project.Services[target[1]]; !found && target[1] != "127.0.0.1" && s.ExtraHosts[target[1]] == nil {
			t.Errorf("the target %s is no service", target[1])
		}
	}
}

// grafana checks that dashboards lie where it is told that they are, and that the
// data sources are services.
func grafana(t *testing.T, project *types.Project) {
	s := project.Services["grafana"]
	var providers struct {
		Providers []struct{ Options struct{ Path string } }
	}
	text, err := yaml.YAMLToJSON(jail.Read(t, source(t, s, "/etc/grafana/provisioning/dashboards/dashboards.yml")))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &providers); err != nil {
		t.Fatal(err)
	}
	for _, p := range providers.Providers {
		if found, err := filepath.Glob(filepath.Join(source(t, s, p.Options.Path), "*.json")); err != nil || len(found) < 10 {
			t.Errorf("%s has %d dashboards, %v", p.Options.Path, len(found), err)
		}
	}
	sources := jail.Read(t, source(t, s, "/etc/grafana/provisioning/datasources/datasources.yml"))
	for _, m := range regexp.MustCompile(`url: *['"]?http://([a-z-]+):`).FindAllSubmatch(sources, -1) {
		if _, found := project.Services[string(m[1])]; !found {
			t.Errorf("the data source %s is no service", m[1])
		}
	}
}
