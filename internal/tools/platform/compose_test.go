package platform

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// required are the variables without a default: none of them may be empty.
var required = []string{"APP_NETWORK=app_default", "APP_LOG_DIR=/var/log/app", "POSTGRES_DB=dmarc", "POSTGRES_EXPORTER_USER=exporter", "GRAFANA_ADMIN_USER=operator"}

// load reads the stack as docker compose does.
func load(t *testing.T, env []string) (*types.Project, error) {
	t.Helper()
	return loadFrom(t, filepath.Join(root, "deploy/compose"), env)
}

func loadFrom(t *testing.T, dir string, env []string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.monitoring.yaml")}, cli.WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(context.Background())
}

// TestComposeLoads holds the stack to the schema and to itself, as the library
// of docker compose sees it.
func TestComposeLoads(t *testing.T) {
	project, err := load(t, required)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(project.Services); n < 10 {
		t.Errorf("%d services", n)
	}
	prometheus := project.Services["prometheus"]
	scraped := readFile(t, root+"/deploy/compose/prometheus/prometheus.yml")
	for name, s := range project.Services {
		shared := s.NetworkMode == "host" // Prometheus reaches the host by its name.
		for network := range s.Networks {
			_, there := prometheus.Networks[network]
			shared = shared || there
		}
		if !shared {
			t.Errorf("%s shares no network with Prometheus", name)
		}
		if s.Privileged || s.MemLimit == 0 || !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") {
			t.Errorf("%s is not hardened", name)
		}
		// Where nothing in the container can ask, Prometheus does.
		if h := s.HealthCheck; (h == nil || h.Test[0] == "NONE") && !strings.Contains(scraped, "targets: ["+name+":") {
			t.Errorf("nobody sees whether %s works", name)
		}
		for _, v := range s.Volumes {
			if strings.Contains(v.Source, "docker.sock") {
				t.Errorf("%s has the Docker socket", name)
			}
		}
	}
	for variable, secret := range map[string]string{"DATA_SOURCE_PASS_FILE": "postgres-queries-exporter", "GF_SECURITY_ADMIN_PASSWORD__FILE": "grafana"} {
		value := project.Services[secret].Environment[variable]
		if value == nil || !mounted(project.Services[secret], *value) {
			t.Errorf("%s of %s names no secret of the service", variable, secret)
		}
	}
}

// mounted reports whether a path is one of a service's secrets.
func mounted(s types.ServiceConfig, path string) bool {
	return slices.ContainsFunc(s.Secrets, func(secret types.ServiceSecretConfig) bool { return "/run/secrets/"+secret.Source == path })
}

// TestComposeWantsItsVariables leaves one out at a time.
func TestComposeWantsItsVariables(t *testing.T) {
	for i, v := range required {
		name, _, _ := strings.Cut(v, "=")
		if _, err := load(t, slices.Delete(slices.Clone(required), i, i+1)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: error %v", name, err)
		}
	}
}
