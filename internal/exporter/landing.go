package exporter

import (
	"bytes"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/exporter-toolkit/web"
)

// landing is the page that a person sees first: whether what is watched is up,
// and what the log said last.
type landing struct {
	config web.LandingConfig
	name   string
	last   atomic.Pointer[answered]
	recent *recent // nil shows nothing of the log
}

// answered is what was answered to the last scrape.
type answered struct {
	at       time.Time
	took     time.Duration
	series   int
	families []*dto.MetricFamily // those that the page shows
}

// newLanding returns the page.
func newLanding(f *Flags, o *Options) *landing {
	l := &landing{name: f.name, config: web.LandingConfig{
		Name: f.name, Description: f.description, Version: Version(f.name), Profiling: fmt.Sprint(f.pprof),
		Links: []web.LandingLinks{
			{Address: f.path, Text: "Metrics"},
			{Address: docs + "metrics/" + strings.TrimSuffix(f.name, "_exporter") + ".md", Text: "What the metrics mean"},
			{Address: "/-/healthy", Text: "Health"},
			{Address: "/-/ready", Text: "Readiness"},
		},
		ExtraCSS: "pre { white-space: pre-wrap } table { border-collapse: collapse; margin-bottom: 1em } td, th { padding: .2em 1em .2em 0; text-align: left; vertical-align: top }",
	}}
	for _, link := range o.Links {
		l.config.Links = append(l.config.Links, web.LandingLinks(link))
	}
	if !o.PrivateLog {
		l.recent = f.recent
	}
	return l
}

// docs is where people read what is in docs/.
const docs = "https://github.com/dmarc-suite/dmarc-suite/blob/main/docs/"

// note remembers what is shown of an answer.
func (l *landing) note(start time.Time, p *page) {
	l.last.Store(&answered{time.Now(), time.Since(start), p.series(), p.chosen(func(name string) bool {
		return isUp(name) || name == l.name+"_scrape_collector_success" || name == l.name+"_scrape_collector_duration_seconds"
	})})
}

// isUp reports whether a metric tells whether something is up.
func isUp(name string) bool { return strings.HasSuffix(name, "_up") && name != "probe_up" }

// state is what the page shows besides links.
type state struct {
	Ago, Took  string
	Series     int
	Up         []row
	Collectors []row
	More       int // rows that are not shown
	Log        []string
}

// row is a line of a table.
type row struct {
	Name, State, Took string
	wrong             bool
}

// mostRows bounds each table.
const mostRows = 50

var stateHTML = template.Must(template.New("").Parse(`
<h3>Last scrape</h3>
{{if .Ago}}<p>{{.Ago}} ago: {{.Series}} series in {{.Took}}.</p>
{{if .Up}}<table><tr><th>What is watched</th><th>State</th></tr>
{{range .Up}}<tr><td>{{.Name}}</td><td>{{.State}}</td></tr>
{{end}}</table>{{end}}
{{if .Collectors}}<table><tr><th>Collector</th><th>State</th><th>Took</th></tr>
{{range .Collectors}}<tr><td>{{.Name}}</td><td>{{.State}}</td><td>{{.Took}}</td></tr>
{{end}}</table>{{end}}
{{if .More}}<p>{{.More}} more are in the metrics.</p>{{end}}
{{else}}<p>None since the start: does Prometheus have this address in its configuration?</p>{{end}}
{{if .Log}}<h3>Last warnings and errors of the log</h3>
{{range .Log}}<pre>{{.}}</pre>
{{end}}{{end}}`))

// ServeHTTP shows the page as it is now.
func (l *landing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := l.config
	var b bytes.Buffer
	if err := stateHTML.Execute(&b, l.state(time.Now())); err != nil {
		panic(err) // Writing to memory does not fail.
	}
	c.ExtraHTML = b.String()
	page, err := web.NewLandingPage(c)
	if err != nil {
		panic(err) // The templates are part of the toolkit.
	}
	page.ServeHTTP(w, r)
}

func (l *landing) state(now time.Time) *state {
	s := &state{}
	if l.recent != nil {
		s.Log = l.recent.lines()
	}
	last := l.last.Load()
	if last == nil {
		return s
	}
	s.Ago, s.Took = now.Sub(last.at).Round(time.Second).String(), last.took.Round(time.Millisecond).String()
	s.Series = last.series
	took := map[string]string{}
	success := l.name + "_scrape_collector_success"
	for _, family := range last.families {
		name := family.GetName()
		switch {
		case name == l.name+"_scrape_collector_duration_seconds":
			for _, m := range family.GetMetric() {
				took[labels(m)] = time.Duration(valueOf(m) * float64(time.Second)).Round(100 * time.Microsecond).String()
			}
		case name == success:
			for _, m := range family.GetMetric() {
				s.Collectors = append(s.Collectors, newRow(labels(m), m, "ok", "failed"))
			}
		case isUp(name):
			for _, m := range family.GetMetric() {
				s.Up = append(s.Up, newRow(strings.TrimSpace(name+" "+labels(m)), m, "up", "down"))
			}
		}
	}
	for i := range s.Collectors {
		s.Collectors[i].Took = took[s.Collectors[i].Name]
	}
	for _, rows := range []*[]row{&s.Up, &s.Collectors} {
		slices.SortStableFunc(*rows, func(a, b row) int {
			switch {
			case a.wrong == b.wrong:
				return 0
			case a.wrong: // It comes first.
				return -1
			}
			return 1
		})
		s.More += max(len(*rows)-mostRows, 0)
		*rows = (*rows)[:min(len(*rows), mostRows)]
	}
	return s
}

func newRow(name string, m *dto.Metric, right, wrong string) row {
	if valueOf(m) == 1 {
		return row{Name: name, State: right}
	}
	return row{Name: name, State: wrong, wrong: true}
}

func valueOf(m *dto.Metric) float64 {
	return m.GetGauge().GetValue() + m.GetUntyped().GetValue() + m.GetCounter().GetValue()
}

// labels returns the values of the labels, with their names when there are several.
func labels(m *dto.Metric) string {
	all := map[string]string{}
	for _, l := range m.GetLabel() {
		all[l.GetName()] = l.GetValue()
	}
	if len(all) == 1 {
		return m.GetLabel()[0].GetValue()
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, name+"="+all[name])
	}
	return strings.Join(out, " ")
}

// recent keeps the last lines that were written to it. It is safe for concurrent use.
type recent struct {
	mu   sync.Mutex
	last []string
}

const (
	mostLines   = 5
	longestLine = 500
)

// Write keeps a line.
func (r *recent) Write(line []byte) (int, error) {
	text := strings.ToValidUTF8(strings.TrimSpace(string(line[:min(len(line), longestLine)])), "")
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.last) == mostLines {
		r.last = r.last[1:]
	}
	r.last = append(r.last, text)
	return len(line), nil
}

// lines returns the lines, the last one first.
func (r *recent) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.last)
	slices.Reverse(all)
	return all
}
