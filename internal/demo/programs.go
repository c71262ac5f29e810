package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// needed are the programs of each Debian package.
var needed = []struct {
	pkg      string
	programs []string
}{
	{"postgresql-15", []string{"initdb", "postgres"}},
	{"redis-server", []string{"redis-server", "redis-cli"}},
	{"nginx-light", []string{"nginx"}},
	{"prometheus", []string{"prometheus"}},
	{"prometheus-alertmanager", []string{"prometheus-alertmanager"}},
}

// prometheusVariable names another Prometheus than that of the path.
const prometheusVariable = "PROMETHEUS"

// missing says which programs are not here and how to install them.
func missing(has func(program string) bool) error {
	var programs, packages []string
	for _, n := range needed {
		before := len(programs)
		for _, p := range n.programs {
			if !has(p) {
				programs = append(programs, p)
			}
		}
		if len(programs) > before {
			packages = append(packages, n.pkg)
		}
	}
	if len(programs) == 0 {
		return nil
	}
	return fmt.Errorf("not installed: %s\n  apt-get install --no-install-recommends %s\n(or set %s to a Prometheus of your own; no service needs to run)",
		strings.Join(programs, ", "), strings.Join(packages, " "), prometheusVariable)
}

// installed reports whether realtest finds a program.
func installed(program string) (ok bool) {
	if program == "prometheus" && os.Getenv(prometheusVariable) != "" {
		return true
	}
	defer func() {
		if v := recover(); v != nil {
			if _, missing := v.(stop); !missing {
				panic(v)
			}
			ok = false
		}
	}()
	realtest.Need(&host{}, program)
	return true
}

// prometheusProgram returns the path of Prometheus.
func prometheusProgram(h *host) string {
	if p := os.Getenv(prometheusVariable); p != "" {
		return p
	}
	return realtest.Need(h, "prometheus")["prometheus"]
}

// atRoot checks that the working directory is the root of the repository.
func atRoot() error {
	for _, path := range []string{samples, schema, "mixin/demo.jsonnet"} {
		if _, err := os.Stat(path); err != nil {
			return errors.New("run this at the root of the repository: " + err.Error())
		}
	}
	return nil
}

// build compiles the exporters into dir.
func build(h *host, dir string) {
	fmt.Println("Building the exporters …")
	goRun(h, "build", "-o", dir+string(filepath.Separator), "./exporters/...")
}

// compileMixin writes the rules of the mixin into dir, as the demo needs them.
func compileMixin(h *host, dir string) {
	fmt.Println("Compiling the mixin …")
	goRun(h, "-C", "mixin", "tool", "jsonnet", "-S", "-m", dir, "demo.jsonnet")
}

func goRun(h *host, args ...string) {
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		h.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
