package tests

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"gopkg.in/yaml.v3"
)

// look is a time at which to see which alerts of a name fire.
type look struct {
	at    time.Duration
	alert string
}

// firing evaluates rules every so often over series, which have a sample each
// interval, and returns what fires.
func firing(t *testing.T, g []group, series map[string]string, interval, every time.Duration, looks []look) map[look][]*rules.Alert {
	t.Helper()
	var load strings.Builder
	fmt.Fprintf(&load, "load %s\n", interval)
	for _, name := range sortedKeys(series) {
		fmt.Fprintf(&load, "  %s %s\n", name, series[name])
	}
	p := parser.NewParser(parser.Options{})
	suite, err := promqltest.NewLazyLoader(load.String(), promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true, Parser: p})
	if err != nil {
		t.Fatal(err)
	}
	defer suite.Close()
	suite.SubqueryInterval = time.Minute

	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:    rules.EngineQueryFunc(suite.QueryEngine(), suite.Storage()),
		AppendableV2: suite.Storage(),
		Context:      context.Background(),
		NotifyFunc:   func(context.Context, string, ...*rules.Alert) {},
		Logger:       slog.New(slog.NewTextHandler(io.Discard, nil)),
		Parser:       p,
	})
	loaded, errs := manager.LoadGroups(every, labels.EmptyLabels(), "", nil, false, ruleFile(t, g))
	if errs != nil {
		t.Fatal(errs)
	}
	ordered := inOrder(g, loaded)
	for _, g := range ordered {
		for _, r := range g.Rules() {
			if a, ok := r.(*rules.AlertingRule); ok {
				a.SetRestored(true)
			}
		}
	}
	var last time.Duration
	for _, l := range looks {
		last = max(last, l.at)
	}
	out := map[look][]*rules.Alert{}
	for at := time.Duration(0); at <= last; at += every {
		ts := time.Unix(0, 0).UTC().Add(at)
		suite.WithSamplesTill(ts, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range ordered {
				g.Eval(suite.Context(), ts)
				for _, r := range g.Rules() {
					if err := r.LastError(); err != nil {
						t.Fatalf("%s at %s: %v", r.Name(), at, err)
					}
				}
			}
		})
		for _, l := range looks {
			if l.at == at {
				out[l] = firingNow(ordered, l.alert)
			}
		}
	}
	return out
}

// firingNow returns the firing alerts of a name.
func firingNow(ordered []*rules.Group, name string) []*rules.Alert {
	var out []*rules.Alert
	for _, g := range ordered {
		for _, r := range g.Rules() {
			a, ok := r.(*rules.AlertingRule)
			if !ok || a.Name() != name {
				continue
			}
			for _, active := range a.ActiveAlerts() {
				if active.State == rules.StateFiring {
					out = append(out, active)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b *rules.Alert) int { return labels.Compare(a.Labels, b.Labels) })
	return out
}

// inOrder returns the loaded groups in the order of their file.
func inOrder(g []group, loaded map[string]*rules.Group) []*rules.Group {
	var out []*rules.Group
	for _, want := range g {
		for _, l := range loaded {
			if l.Name() == want.Name {
				out = append(out, l)
			}
		}
	}
	return out
}

func ruleFile(t *testing.T, g []group) string {
	t.Helper()
	text, err := yaml.Marshal(groups{g})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
