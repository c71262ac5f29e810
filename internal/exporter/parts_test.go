package exporter

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// testLog is a buffer that is safe for concurrent use.
type testLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *testLog) has(texts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		found := 0
		for _, text := range texts {
			if strings.Contains(line, text) {
				found++
			}
		}
		if found == len(texts) {
			return true
		}
	}
	return false
}

// part returns a part with one collector.
func part(name string, c fake, change func(*Options)) Part {
	app := kingpin.New(name+"_exporter", "A part.")
	f := AddFlags(app, "127.0.0.1:0")
	return Part{Name: name, Flags: f, Start: func(context.Context, *slog.Logger) (Options, error) {
		o := Options{
			Collectors: func(url.Values) ([]ContextCollector, error) { return []ContextCollector{Named("main", c)}, nil },
		}
		if change != nil {
			change(&o)
		}
		return o, nil
	}}
}

// serveParts serves parts until the test ends.
func serveParts(t *testing.T, log *testLog, args []string, parts ...Part) *httptest.Server {
	t.Helper()
	f := testFlags(t, args...)
	o := Parts(f, Options{Logger: slog.New(slog.NewTextHandler(log, nil))}, parts)
	s := optionsServer(t, f, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = o.Background(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

// TestPartsAreIsolated holds that whatever one part does, the others answer in
// time, and that a metric and a line of the log name it.
func TestPartsAreIsolated(t *testing.T) {
	release := make(chan struct{})
	hang := func() { <-release }
	var log testLog
	starts := func(name string, start func() error) Part {
		p := part(name, steady("test_"+name), nil)
		real := p.Start
		p.Start = func(ctx context.Context, l *slog.Logger) (Options, error) {
			if err := start(); err != nil {
				return Options{}, err
			}
			return real(ctx, l)
		}
		return p
	}
	s := serveParts(
		t, &log, nil,
		part("good", steady("test_good"), nil),
		starts("startpanics", func() error { panic("at the start") }),
		starts("startfails", func() error { return errors.New("no file") }),
		starts("starthangs", func() error { hang(); return errors.New("too late") }),
		part("panics", func(context.Context, chan<- prometheus.Metric) { panic("in a scrape") }, nil),
		part("hangs", func(_ context.Context, ch chan<- prometheus.Metric) { ch <- gauge("test_hangs", 1); hang() }, nil),
		part("choicehangs", steady("test_choicehangs"), func(o *Options) {
			o.Collectors = func(url.Values) ([]ContextCollector, error) { hang(); return nil, nil }
		}),
		part("workpanics", steady("test_workpanics"), func(o *Options) {
			o.Background = func(context.Context) error { panic("in the background") }
		}),
		part("workfails", steady("test_workfails"), func(o *Options) {
			o.Background = func(context.Context) error { return errors.New("in the background") }
		}),
		part("readyhangs", steady("test_readyhangs"), func(o *Options) { o.Ready = func() error { hang(); return nil } }),
	)
	t.Cleanup(func() { close(release) }) // before the parts are waited for
	for _, want := range [][]string{
		{"part=startpanics", "at the start", "stack="},
		{"part=startfails", "no file"},
		{"part=workpanics", "in the background", "stack="},
		{"part=workfails", "in the background"},
		{"part=good", "running"},
		{"part=panics", "running"},
		{"part=hangs", "running"},
		{"part=choicehangs", "running"},
		{"part=readyhangs", "running"},
	} {
		realtest.Eventually(t, strings.Join(want, " "), func() bool { return log.has(want...) })
	}
	for _, first := range []bool{true, false} { // The second scrape finds what still hangs.
		a := get(t, s.URL+"/metrics", timeoutHeader, "2")
		a.wantLines(
			t, "test_good 1", "test_readyhangs 1",
			`test_exporter_part_up{part="good"} 1`, `test_exporter_part_up{part="startpanics"} 0`, `test_exporter_part_up{part="startfails"} 0`,
			`test_exporter_part_up{part="starthangs"} 0`, `test_exporter_part_failures_total{part="starthangs"} 0`, `test_exporter_part_failures_total{part="good"} 0`,
			`good_exporter_scrape_collector_success{collector="main"} 1`, `panics_exporter_scrape_collector_success{collector="main"} 0`,
			`hangs_exporter_scrape_collector_success{collector="main"} 0`,
		)
		if first {
			a.wantLines(t, "test_hangs 1") // what arrived before it hung
		}
		if a.took > 2*slack {
			t.Errorf("a scrape took %v", a.took)
		}
		get(t, s.URL+"/metrics/good", timeoutHeader, "2").wantLines(t, "test_good 1", `good_exporter_scrape_collector_success{collector="main"} 1`)
	}
	for _, want := range [][]string{{"part=panics", "in a scrape"}, {"part=hangs", "did not return in time"}} {
		if !log.has(want...) {
			t.Errorf("no line of the log has %q", want)
		}
	}
	if a := get(t, s.URL+"/metrics/startfails"); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "startfails") {
		t.Errorf("a part that does not run: status %d: %s", a.status, a.body)
	}
	a := get(t, s.URL+"/-/ready")
	for _, want := range []string{"startfails: does not run", "readyhangs: no answer"} {
		if a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, want) {
			t.Errorf("ready: status %d, %q, want %q in it", a.status, a.body, want)
		}
	}
	again := regexp.MustCompile(`test_exporter_part_failures_total{part="workpanics"} [2-9]`)
	realtest.Eventually(t, "a part is started again", func() bool {
		return again.MatchString(get(t, s.URL+"/metrics?collect[]=good").body)
	})
}

// TestPartsShareNames holds that what all binaries have is there once, and in the
// answer for a part, too.
func TestPartsShareNames(t *testing.T) {
	var log testLog
	s := serveParts(t, &log, nil, part("a", steady("test_a"), nil), part("b", steady("test_b"), nil))
	for _, name := range []string{"a", "b"} {
		realtest.Eventually(t, name, func() bool { return log.has("part="+name, "running") })
	}
	all := get(t, s.URL+"/metrics")
	all.wantLines(t, "test_a 1", "test_b 1", "test_exporter_dropped_metrics_total 0", "a_exporter_dropped_metrics_total 0")
	for body, want := range map[string][]string{
		all.body:                        {"go_info{", "process_start_time_seconds ", "test_exporter_build_info{", "a_exporter_build_info{", "b_exporter_build_info{"},
		get(t, s.URL+"/metrics/a").body: {"go_info{", "process_start_time_seconds ", "test_a 1", "a_exporter_build_info{"},
	} {
		for _, line := range want {
			if n := strings.Count(body, "\n"+line); n != 1 {
				t.Errorf("%q is there %d times, want once in:\n%s", line, n, body)
			}
		}
	}
	if body := get(t, s.URL+"/metrics/a").body; strings.Contains(body, "test_b") || strings.Contains(body, "b_exporter") {
		t.Errorf("the metrics of one part have those of another one:\n%s", body)
	}
	one := get(t, s.URL+"/metrics?collect[]=b")
	one.wantLines(t, "test_b 1")
	if strings.Contains(one.body, "test_a") {
		t.Errorf("collect[]=b has the other part:\n%s", one.body)
	}
	if without := get(t, s.URL+"/metrics?exclude[]=b"); strings.Contains(without.body, "test_b") || !strings.Contains(without.body, "test_a 1") {
		t.Errorf("exclude[]=b has:\n%s", without.body)
	}
	for path, want := range map[string]int{"/metrics?collect[]=c": http.StatusBadRequest, "/metrics?exclude[]=c": http.StatusBadRequest, "/metrics/c": http.StatusNotFound, "/c": http.StatusNotFound} {
		if a := get(t, s.URL+path); a.status != want {
			t.Errorf("%s: status %d, want %d", path, a.status, want)
		}
	}
	s = serveParts(t, &log, []string{"--web.disable-exporter-metrics"}, part("bare", steady("test_bare"), nil))
	realtest.Eventually(t, "bare", func() bool { return log.has("part=bare", "running") })
	for _, path := range []string{"/metrics", "/metrics/bare"} {
		if body := get(t, s.URL+path).body; strings.Contains(body, "go_info") || !strings.Contains(body, "test_bare 1") {
			t.Errorf("%s without metrics about the exporter:\n%s", path, body)
		}
	}
}

// TestPartsRoutes holds that routes of parts do not hide each other, and that who
// may see the pages of one part sees nothing else of any.
func TestPartsRoutes(t *testing.T) {
	var log testLog
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	}
	s := serveParts(t, &log, nil,
		part("a", steady("test_a"), func(o *Options) {
			o.Handlers = map[string]http.Handler{"/probe": say("probe of a"), "/own": say("own of a")}
		}),
		part("b", steady("test_b"), func(o *Options) {
			o.Handlers = map[string]http.Handler{"/probe": say("probe of b")}
			o.Pages = map[string]http.Handler{"GET /page": say("page of b"), HomePattern: say("home of b")}
			o.PagesOnly = func(r *http.Request) bool { return r.Header.Get("Viewer") != "" }
		}),
		Part{Name: "late", Flags: testFlags(t), Restrict: func() func(*http.Request) bool {
			return func(r *http.Request) bool { return r.Header.Get("Viewer") == "early" }
		}, Start: func(context.Context, *slog.Logger) (Options, error) { return Options{}, errors.New("not yet") }},
		part("alone", steady("test_alone"), func(o *Options) { o.Pages, o.PagesAddress = map[string]http.Handler{}, "127.0.0.1:0" }),
	)
	for _, name := range []string{"a", "b"} {
		realtest.Eventually(t, name, func() bool { return log.has("part="+name, "running") })
	}
	realtest.Eventually(t, "pages with an address", func() bool { return log.has("part=alone", "--web.pages-address") })
	for path, want := range map[string]string{"/probe/a": "probe of a", "/probe/b": "probe of b", "/own": "own of a", "/page": "page of b", "/": "Metrics of b"} {
		if a := get(t, s.URL+path); a.status != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("%s: status %d, %q, want %q", path, a.status, a.body, want)
		}
		want := http.StatusForbidden
		if path == "/page" {
			want = http.StatusOK
		}
		if a := get(t, s.URL+path, "Viewer", "yes"); a.status != want {
			t.Errorf("%s for a viewer: status %d, want %d", path, a.status, want)
		}
	}
	for _, path := range []string{"/metrics", "/metrics/a", "/-/ready"} {
		for _, viewer := range []string{"yes", "early"} { // of a part that has started, and of one that has not
			if a := get(t, s.URL+path, "Viewer", viewer); a.status != http.StatusForbidden {
				t.Errorf("%s for the viewer %s: status %d, want 403", path, viewer, a.status)
			}
		}
	}
}

// TestPartsReload holds that a part that cannot reload does not keep the others
// from it.
func TestPartsReload(t *testing.T) {
	var log testLog
	var reloads sync.WaitGroup
	reloads.Add(1)
	s := serveParts(t, &log, []string{"--web.enable-lifecycle"},
		part("good", steady("test_good"), func(o *Options) { o.Reload = func(context.Context) error { reloads.Done(); return nil } }),
		part("bad", steady("test_bad"), func(o *Options) { o.Reload = func(context.Context) error { panic("unreadable") } }),
		part("none", steady("test_none"), nil),
	)
	for _, name := range []string{"good", "bad", "none"} {
		realtest.Eventually(t, name, func() bool { return log.has("part="+name, "running") })
	}
	res, err := http.Post(s.URL+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", res.StatusCode)
	}
	reloads.Wait()
	get(t, s.URL+"/metrics").wantLines(
		t, "good_exporter_config_last_reload_successful 1", "test_exporter_config_last_reload_successful 0", "test_good 1", "test_bad 1",
	)
	if !log.has("bad: panic: unreadable") {
		t.Error("the log does not name the part that cannot reload")
	}
}

// TestProgramPart holds that arguments of a part are those of a program, but for
// what is for the process.
func TestProgramPart(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		code       int
		args       []string
	}{
		{"good", "", 0, []string{"--own=1"}},
		{"process", "--web.listen-address is for the whole process", 2, []string{"--web.listen-address=:1"}},
		{"log", "--log.level is for the whole process", 2, []string{"--log.level", "debug"}},
		{"check", "--config.check is not for a part", 2, []string{"--config.check"}},
		{"unknown", "unknown flag --onw, did you mean --own?", 2, []string{"--onw=1"}},
		{"command", "other is not for a part", 2, []string{"other"}},
		{"serve", "", 0, []string{"serve", "--own=1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := kingpin.New("own_exporter", "A part.")
			p := &Program{App: app, Flags: AddFlags(app, ":0")}
			own := app.Flag("own", "A number.").Int()
			app.Flag("config.check", "Check.").Bool()
			app.Command("serve", "Serve.").Default()
			app.Command("other", "Do something else.")
			var out, errs bytes.Buffer
			_, code, ok := p.Part("own", tt.args, &out, &errs)
			if ok != (tt.code == 0) || code != tt.code || !strings.Contains(errs.String(), tt.want) {
				t.Errorf("ok is %t, code %d, %q; want code %d and %q", ok, code, errs.String(), tt.code, tt.want)
			}
			if ok && *own != 1 {
				t.Errorf("--own is %d, want 1", *own)
			}
		})
	}
}
