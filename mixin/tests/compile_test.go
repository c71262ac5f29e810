package tests

import (
	"encoding/json"
	"flag"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-jsonnet"
	"github.com/prometheus/common/model"
)

var update = flag.Bool("update", false, "write the generated files")

// source is what gen.jsonnet gives.
type source struct {
	Config struct {
		RunbookURL string
		Selectors  map[string]string
		RuleLabels map[string]string
	}
	Dashboards   map[string]dashboard
	Alerts       groups
	Rules        groups
	Alertmanager any
	Tests        map[string][]alertTests
	SLOTests     []sloTest `json:"sloTests"`
	Buckets      map[string][]string
	SLOs         []slo
	Docs         string

	raw map[string]json.RawMessage // the dashboards as they are written
}

type groups struct {
	Groups []group `json:"groups" yaml:"groups"`
}

type group struct {
	Name     string `json:"name" yaml:"name"`
	Interval string `json:"interval" yaml:"interval,omitempty"`
	Rules    []rule `json:"rules" yaml:"rules"`
}

type rule struct {
	Record        string            `json:"record" yaml:"record,omitempty"`
	Alert         string            `json:"alert" yaml:"alert,omitempty"`
	Expr          string            `json:"expr" yaml:"expr"`
	For           string            `json:"for" yaml:"for,omitempty"`
	KeepFiringFor string            `json:"keep_firing_for" yaml:"keep_firing_for,omitempty"`
	Labels        map[string]string `json:"labels" yaml:"labels,omitempty"`
	Annotations   map[string]string `json:"annotations" yaml:"annotations,omitempty"`
}

// alertTests are the two tests of an alert.
type alertTests struct {
	Alert string
	Tests struct{ Fires, Silent alertTest }
}

type alertTest struct {
	Series   map[string]string
	At       int    // steps of Interval
	Interval string // "1m" if empty
	Never    bool   // there is no silent case: the alert always fires
}

type sloTest struct {
	Name   string
	Series map[string]string
	Every  int // minutes between evaluations, 1 if 0
	Checks []struct {
		At    int // minutes
		Alert string
		SLOs  []string
	}
}

func (c sloTest) every() model.Duration {
	return model.Duration(time.Duration(max(c.Every, 1)) * time.Minute)
}

type slo struct {
	Name, Metric string
	Alerting     bool
}

type dashboard struct {
	UID         string
	Title       string
	Description string
	Editable    bool
	Panels      []panel
	Links       []struct{ Tags []string }
	Annotations struct{ List []struct{ Expr string } }
	Templating  struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage
		}
	}
}

// all are the panels of a dashboard, those of collapsed rows too.
func (d dashboard) all() []panel {
	var out []panel
	for _, p := range d.Panels {
		if p.Type != "row" {
			out = append(out, p)
		}
		out = append(out, p.Panels...)
	}
	return out
}

// ofSQL reports whether a dashboard asks PostgreSQL.
func (d dashboard) ofSQL() bool { return d.all()[0].Targets[0].RawSQL != "" }

// rows are the rows of a dashboard.
func (d dashboard) rows() []panel {
	return slices.DeleteFunc(slices.Clone(d.Panels), func(p panel) bool { return p.Type != "row" })
}

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	Collapsed   bool
	Panels      []panel // of a collapsed row
	Datasource  struct{ UID string }
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct {
		Defaults  struct{ Unit string }
		Overrides []struct {
			Matcher struct {
				ID      string
				Options any
			}
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
	Targets []struct {
		Expr, RefID, LegendFormat string
		RawSQL                    string // of a dashboard of questions to PostgreSQL
		Datasource                struct{ UID string }
	}
}

// compiled is the mixin, compiled once.
var compiled = sync.OnceValues(func() (*source, error) { return compile("{}") })

// compiledForApplication is the mixin of a user whose objectives are measured
// by the metrics of the application.
var compiledForApplication = sync.OnceValues(func() (*source, error) { return compile(forApplication) })

const forApplication = `{ _config+:: { slo+: { sources+: {
  availability: 'application', latency: 'application', errors: 'application', database: 'application', tasks: 'application',
} } } }`

// compile compiles the mixin with what a user adds to it.
func compile(more string) (*source, error) {
	text, err := evaluate("(import 'lib/gen.libsonnet')((import 'mixin.libsonnet') + " + more + ")")
	if err != nil {
		return nil, err
	}
	s := new(source)
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, err
	}
	var whole struct{ Dashboards map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		return nil, err
	}
	s.raw = whole.Dashboards
	return s, nil
}

// evaluate evaluates Jsonnet that imports files of the mixin.
func evaluate(text string) (string, error) {
	vm := jsonnet.MakeVM()
	vm.Importer(&jsonnet.FileImporter{JPaths: []string{".."}})
	return vm.EvaluateAnonymousSnippet("test", text)
}

func mixin(t *testing.T) *source {
	t.Helper()
	s, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCompileTime holds the time that a user waits for: that of the processor,
// since the machine may be busy, and the best of three.
func TestCompileTime(t *testing.T) {
	best := time.Hour
	for range 3 {
		start := processorTime(t)
		vm := jsonnet.MakeVM()
		for _, file := range []string{"../dashboards.jsonnet", "../alerts.jsonnet", "../rules.jsonnet"} {
			if _, err := vm.EvaluateFile(file); err != nil {
				t.Fatal(err)
			}
		}
		best = min(best, processorTime(t)-start)
	}
	// Twice what it takes where two others share the processor.
	if most := 6 * time.Second; best > most {
		t.Errorf("the mixin compiles in %v, want %v at most", best, most)
	}
}

// processorTime is what this process has used so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
