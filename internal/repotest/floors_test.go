package repotest

import (
	"slices"
	"strings"
	"testing"
)

// The floors of the house; see docs/architecture.md.
const (
	reports    = iota // reports in, values out
	tallies           // the counts and their storage
	shared            // what the collectors have in common
	collectors        // values out, metrics in
	trunk             // flags, HTTP, sources
	commands          // what a binary is configured by, and does besides serving
	served            // what a binary serves, by itself or with others
	mains             // the binaries
	beside            // test support and tools, which nothing but tests may import
)

// floorOf returns the floor of a folder, or -1.
func floorOf(folder string) int {
	for _, f := range []struct {
		dir   string
		floor int
	}{
		{"dmarc/inbox", commands}, // the sources, for programs of others
		{"dmarc/tally", tallies},
		{"dmarc/store/internal/storetest", beside},
		{"dmarc/store", tallies},
		{"dmarc/internal/parsetest", beside},
		{"dmarc", reports},
		{"collectors", collectors},
		{"internal/typo", reports}, // so that every floor may use it
		{"internal/collect", shared},
		{"internal/yamlsyntax", shared}, // so that query files and configurations say the same
		{"internal/wording", shared},    // so that pages and terminals say the same
		{"internal/exporter/exportertest", beside},
		{"internal/exporter", trunk},
		{"internal/ingest/ingesttest", beside},
		{"internal/ingest", trunk},
		{"internal/mailer", trunk},
		{"internal/sender", trunk},
		{"internal/state", trunk},
		{"internal/dmarcconfig", commands},
		{"internal/reportfiles", commands},
		{"internal/web", commands},
		{"exporters/internal", served},
		{"exporters", mains},
		{"deploy/ci", beside},
		{"deploy/dr", beside},
		{"internal/demo", beside},
		{"internal/grafana", beside},
		{"internal/metrictest", beside},
		{"internal/realtest", beside},
		{"internal/release", beside},
		{"internal/repotest", beside},
	} {
		if within(folder, f.dir) {
			return f.floor
		}
	}
	return -1
}

// family returns the part of a folder inside which packages may import each
// other although they are on the same floor.
func family(folder string) string {
	if floorOf(folder) <= tallies {
		return "dmarc"
	}
	parts := strings.SplitN(folder, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

func TestImportsGoDown(t *testing.T) {
	for _, p := range listed(t) {
		floor := floorOf(p.folder())
		if floor < 0 {
			t.Errorf("%s is on no floor: add it to floorOf", p.ImportPath)
		}
		for _, imported := range p.Imports {
			folder, own := strings.CutPrefix(imported, module+"/")
			if !own {
				continue
			}
			below := floorOf(folder)
			switch {
			case below == beside && floor != beside:
				t.Errorf("%s imports %s, which is for tests", p.folder(), folder)
			case below > floor, below == floor && floor != beside && family(folder) != family(p.folder()):
				t.Errorf("%s (floor %d) imports %s (floor %d)", p.folder(), floor, folder, below)
			}
		}
	}
}

// libraries are what the packages of a folder may import from other modules,
// themselves, by the start of the path.
func libraries() map[string][]string {
	prometheus := []string{"github.com/prometheus/client_golang/prometheus", "github.com/prometheus/client_model/"}
	with := func(more ...string) []string { return append(slices.Clone(prometheus), more...) }
	return map[string][]string{
		"dmarc":                {},
		"dmarc/i18n":           {"golang.org/x/net/idna", "golang.org/x/text/encoding"},
		"dmarc/store/postgres": {"github.com/jackc/pgx/v5"},
		"dmarc/store/sqlite":   {"modernc.org/sqlite"},
		"internal/yamlsyntax":  {"go.yaml.in/yaml/"},
		"internal/collect":     with("google.golang.org/protobuf/types/known/timestamppb"),
		"collectors":           with(),
		"collectors/dmarc":     with(),
		"collectors/kitlog":    {"github.com/go-kit/log"},
		"collectors/nginx":     with("golang.org/x/sys/unix", "go.yaml.in/yaml/"),
		"collectors/node":      with("github.com/prometheus/node_exporter/", "github.com/prometheus/procfs", "github.com/prometheus/common/", "github.com/alecthomas/kingpin/v2", "golang.org/x/sys/unix"),
		"collectors/postgres":  with(),

		"collectors/postgres/pool":             {"github.com/jackc/pgx/v5"},
		"collectors/postgres/queryfile":        {"go.yaml.in/yaml/"},
		"collectors/postgres/internal/session": {"github.com/jackc/pgx/v5"},
		"collectors/redis":                     with("github.com/redis/go-redis/v9", "go.yaml.in/yaml/"),
	}
}

func TestLibraries(t *testing.T) {
	allowed := libraries()
	for _, p := range listed(t) {
		if floorOf(p.folder()) > collectors {
			continue
		}
		dir := p.folder()
		for allowed[dir] == nil && dir != "." && strings.Contains(dir, "/") {
			dir = dir[:strings.LastIndex(dir, "/")]
		}
		for _, imported := range p.Imports {
			if standard(imported) || strings.HasPrefix(imported, module) {
				continue
			}
			if !slices.ContainsFunc(allowed[dir], func(prefix string) bool { return strings.HasPrefix(imported, prefix) }) {
				t.Errorf("%s imports %s: a library more than its one", p.folder(), imported)
			}
		}
	}
}

func TestLowFloorsStayLight(t *testing.T) {
	heavy := []string{
		"github.com/alecthomas/kingpin/v2", "github.com/prometheus/exporter-toolkit/web",
		"github.com/prometheus/client_golang/prometheus/promhttp", "github.com/prometheus/common/promslog",
	}
	for _, p := range listed(t) {
		folder, floor := p.folder(), floorOf(p.folder())
		for _, dep := range p.Deps {
			switch {
			case floor == reports && folder != "dmarc/i18n" && !standard(dep) && floorOf(strings.TrimPrefix(dep, module+"/")) != reports:
				t.Errorf("%s depends on %s, not on the standard library alone", folder, dep)
			// The collectors of node_exporter declare flags of kingpin when they are linked.
			case floor <= collectors && slices.Contains(heavy, dep) && !within(folder, "collectors/node"):
				t.Errorf("%s depends on %s, which only the trunk and the mains know", folder, dep)
			case dep == module+"/collectors/kitlog":
				t.Errorf("%s depends on collectors/kitlog, which is for hosts", folder)
			}
		}
	}
}
