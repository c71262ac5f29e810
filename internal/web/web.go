package web

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

//go:embed files
var files embed.FS

// Config is what pages are about. Engine is required; the zero value of the
// rest works.
type Config struct {
	// Engine is the database, which is opened for each page. Of one with KeepViews,
	// such as postgres.Database, connections are kept.
	Engine store.Engine
	// Off takes all routes away.
	Off bool
	// Records says which records are kept.
	Records store.Records
	// Counts returns the committed counts, which tell the configured domains.
	Counts func() *tally.Snapshot
	// Sources returns the sources, and Stats what deliveries of one came to.
	Sources func() []ingest.Source
	Stats   func(source string) ingest.SourceStats
	// Access returns who sees which domains, and Users the names that a request was
	// authenticated by. Without Access everybody sees all.
	Access func() Access
	Users  func(*http.Request) []string
	// MetricsPath is where the metrics are; empty means /metrics. Apart says that
	// they are on another listener.
	MetricsPath string
	Apart       bool
	// Version is shown at the end of each page.
	Version string
	// Logger receives why pages failed; nil means discard.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Readiness is how long the overview may find out what domains are ready for,
	// before it is shown with what is known; 0 means a third of Deadline.
	Readiness time.Duration
	// Deadline is how long a page may take; 0 means 10 seconds. A page waits a
	// fifth of it for its turn.
	Deadline time.Duration
}

// atOnce is how many pages are computed at the same time: scrapes go on beside them.
const atOnce = 2

// Pages serves the pages. It is safe for concurrent use.
type Pages struct {
	config    Config
	layout    *template.Template
	turns     chan struct{}
	verdicts  verdicts
	clientFor time.Duration // how long a client may take to read an answer
}

// New returns the pages of a store.
func New(c Config) *Pages {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if e, ok := c.Engine.(interface{ KeepViews() store.Engine }); ok {
		c.Engine = e.KeepViews()
	}
	if c.Deadline <= 0 {
		c.Deadline = 10 * time.Second
	}
	const share = 3
	c.Readiness = cmp.Or(c.Readiness, c.Deadline/share)
	c.MetricsPath = cmp.Or(c.MetricsPath, "/metrics")
	p := &Pages{config: c, turns: make(chan struct{}, atOnce), clientFor: time.Minute}
	// The files are part of the program: a mistake in them shows in every test.
	p.layout = template.Must(template.New("").ParseFS(files, "files/*.html"))
	return p
}

// a route is a page, and its tables by name.
type route struct {
	name   string
	tables []string
	page   func(p *Pages, ctx context.Context, v *store.View, q *query) (*page, error)
}

func routes() []route {
	return []route{
		{"overview", []string{"domains", "arrived", "sources"}, (*Pages).overview},
		{"domain", []string{"days", "senders", "sources", "reporters", "readiness", "tls"}, (*Pages).domain},
		{"sources", []string{"sources"}, (*Pages).sources},
		{"source", []string{"records", "days", "selectors"}, (*Pages).source},
		{"reports", []string{"reports"}, (*Pages).reports},
		{"report", []string{"records", "warnings", "deviations"}, (*Pages).report},
		{"refused", []string{"refused"}, (*Pages).refused},
		{"tls", []string{"policies", "failures", "days"}, (*Pages).tls},
		{"failures", []string{"failures"}, (*Pages).failures},
	}
}

// Handlers returns the routes, by http.ServeMux pattern. The overview is at the root.
func (p *Pages) Handlers() map[string]http.Handler {
	if p.config.Off {
		return nil
	}
	all := map[string]http.Handler{
		"GET /pages.css":   p.file("files/pages.css", "text/css; charset=utf-8"),
		"GET /favicon.svg": p.file("files/favicon.svg", "image/svg+xml"),
	}
	for _, r := range routes() {
		for _, form := range []form{formHTML, formCSV, formJSON} {
			all["GET /"+r.name+string(form)] = p.route(r, form)
		}
	}
	all["GET /{$}"] = all["GET /overview"]
	all["GET /report.xml"] = p.route(route{name: "report", page: (*Pages).reportXML}, formXML)
	return all
}

// form is what a page is answered as.
type form string

const (
	formHTML form = ""
	formCSV  form = ".csv"
	formJSON form = ".json"
	formXML  form = ".xml"
)

// secure sets the headers of every answer.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// file serves a file that is part of the program.
func (p *Pages) file(name, contentType string) http.Handler {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err) // It is embedded.
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		secure(w.Header())
		w.Header().Set("Cache-Control", "max-age=300")
		p.send(w, &answer{status: http.StatusOK, contentType: contentType, body: content})
	})
}

// answer is what is sent to a client.
type answer struct {
	status      int
	contentType string
	attachment  string // the name of a file to save
	next        string // the next page of a table
	body        []byte
}

// send sends an answer to a client, who may not take long to read it.
func (p *Pages) send(w http.ResponseWriter, a *answer) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(p.clientFor)) // Tests have writers without one.
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.attachment != "" {
		h.Set("Content-Disposition", `attachment; filename="`+a.attachment+`"`)
	}
	if a.next != "" {
		h.Set("Link", "<"+a.next+`>; rel="next"`)
	}
	if a.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // A client that went away has no use for the error.
}

// route serves a page. It is computed apart, so that a database that does not
// even notice the deadline cannot hold the client.
func (p *Pages) route(r route, as form) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		secure(w.Header())
		w.Header().Set("Cache-Control", "no-store")
		ctx, cancel := context.WithTimeout(req.Context(), p.config.Deadline)
		defer cancel()
		if !p.turn(ctx) {
			p.send(w, p.problem(as, req, http.StatusServiceUnavailable, "Busy", "Other pages are being computed. Try again in a moment."))
			return
		}
		done := make(chan *answer, 1)
		go func() {
			defer func() { <-p.turns }()
			done <- p.answer(ctx, r, as, req)
		}()
		select {
		case a := <-done:
			p.send(w, a)
		case <-ctx.Done():
			p.send(w, p.failed(as, req, ctx.Err()))
		}
	})
}

// turn waits a while for a turn.
func (p *Pages) turn(ctx context.Context) bool {
	const share = 5
	timer := time.NewTimer(p.config.Deadline / share)
	defer timer.Stop()
	select {
	case p.turns <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

// answer computes a page. It always returns one.
func (p *Pages) answer(ctx context.Context, r route, as form, req *http.Request) (a *answer) {
	defer func() {
		if v := recover(); v != nil {
			p.config.Logger.Error("page panicked", "path", req.URL.Path, "panic", v, "stack", string(debug.Stack()))
			a = p.problem(as, req, http.StatusInternalServerError, "This page has a fault", "The log of the exporter has the details. Please report them.")
		}
	}()
	q, err := newQuery(req.URL, r, as, p.config.Now())
	if err != nil {
		return p.failed(as, req, err)
	}
	q.sight = p.sight(req)
	v, err := q.sight.view(ctx, p.config.Engine)
	if err != nil {
		return p.failed(as, req, err)
	}
	content, err := r.page(p, ctx, v, q)
	if e := v.Close(); err == nil && e != nil && ctx.Err() == nil {
		err = e
	}
	if err != nil {
		return p.failed(as, req, err)
	}
	return p.render(content, q)
}

// notFound and badQuery are errors of whoever asks.
type notFound string

// Error returns what is not there.
func (e notFound) Error() string { return string(e) }

type badQuery string

// Error returns what is wrong with the address.
func (e badQuery) Error() string { return string(e) }

// failed puts an error into words.
func (p *Pages) failed(as form, req *http.Request, err error) *answer {
	var missing notFound
	var bad badQuery
	var large tooLarge
	var hidden forbidden
	switch {
	case errors.As(err, &hidden):
		return p.problem(as, req, http.StatusForbidden, "Nothing to see here", string(hidden))
	case errors.As(err, &missing):
		return p.problem(as, req, http.StatusNotFound, "Not found", string(missing))
	case errors.As(err, &bad):
		return p.problem(as, req, http.StatusBadRequest, "The address is not understood", string(bad))
	case errors.As(err, &large):
		return p.problem(as, req, http.StatusUnprocessableEntity, "Too large", string(large))
	case errors.Is(err, context.DeadlineExceeded):
		p.config.Logger.Warn("page took too long", "path", req.URL.Path, "deadline", p.config.Deadline)
		return p.problem(as, req, http.StatusServiceUnavailable, "Too slow", fmt.Sprintf("The database did not answer within %v. Try again, or ask about fewer days or one domain.", p.config.Deadline))
	case errors.Is(err, context.Canceled): // The client is gone.
		return p.problem(as, req, http.StatusServiceUnavailable, "Cancelled", "The page was cancelled.")
	}
	p.config.Logger.Warn("page failed", "path", req.URL.Path, "err", err)
	return p.problem(as, req, http.StatusServiceUnavailable, "The database cannot be read", sentence(err.Error()))
}

// sentence makes a sentence of an error.
func sentence(text string) string { return capital(text) + "." }

// capital begins a text with a capital letter.
func capital(text string) string {
	return strings.ToUpper(text[:min(len(text), 1)]) + text[min(len(text), 1):]
}

// problem is an answer that says what is wrong.
func (p *Pages) problem(as form, req *http.Request, status int, title, text string) *answer {
	a := &answer{status: status, contentType: "text/plain; charset=utf-8", body: []byte(title + ": " + text + "\n")}
	if as == formHTML {
		a.contentType = contentHTML
		s := p.sight(req)
		a.body = p.html(&page{Title: title, Notes: []note{{Class: "warn", Text: text}}}, &s)
	}
	return a
}

const contentHTML = "text/html; charset=utf-8"

// html renders a page.
func (p *Pages) html(content *page, s *sight) []byte {
	content.Version, content.Nav = p.config.Version, nav(s)
	if s.all {
		content.Metrics = p.metrics()
	}
	var b bytes.Buffer
	if err := p.layout.ExecuteTemplate(&b, "layout.html", content); err != nil {
		panic(err) // answer recovers. Writing to memory does not fail.
	}
	return visible(b.Bytes())
}

// visible replaces the characters of a page that would show what follows them in
// another order, or that a terminal would obey.
func visible(text []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// render makes an answer of a page.
func (p *Pages) render(content *page, q *query) *answer {
	a := &answer{status: http.StatusOK, next: content.next}
	switch q.form {
	case formHTML:
		a.contentType, a.body = contentHTML, p.html(content, &q.sight)
	case formXML:
		a.contentType, a.attachment, a.body = "application/xml; charset=utf-8", content.file, content.raw
	case formCSV:
		a.contentType, a.attachment, a.body = "text/csv; charset=utf-8", q.route+"-"+q.table+".csv", content.table(q.table).csv()
	case formJSON:
		a.contentType = "application/json"
		if a.body = content.raw; a.body == nil {
			a.body = content.table(q.table).json()
		}
	}
	return a
}
