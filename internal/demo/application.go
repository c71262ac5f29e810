package main

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// application stands in for the observed one: it answers requests behind nginx
// and exposes the metrics that the original has.
type application struct {
	address, metricsAddress string
	broken                  atomic.Bool // every third request is answered with 503

	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	inProgress *prometheus.GaugeVec
	queries    *prometheus.HistogramVec
	tasks      *prometheus.CounterVec
	rest       []func() // what moves by the second
}

func startApplication(h *host) *application {
	registry := prometheus.NewRegistry()
	a := newApplication(registry)
	a.address = serve(h, a)
	a.metricsAddress = serve(h, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return a
}

// serve serves on a free port until the demo ends.
func serve(h *host, handler http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // It ends with Close.
	}()
	h.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return l.Addr().String()
}

func newApplication(r prometheus.Registerer) *application {
	a := &application{}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, labels)
		r.MustRegister(v)
		return v
	}
	a.requests = counter("http_requests_total", "Requests.", "method", "endpoint", "status_code")
	a.duration = histogram("http_request_duration_seconds", "Time per request.", "method", "endpoint", "status_code")
	a.inProgress = gauge("http_requests_in_progress", "Requests at work.", "method", "endpoint")
	a.queries = histogram("db_query_duration_seconds", "Time per query.", "query_type")
	a.tasks = counter("celery_tasks_total", "Tasks.", "task_name", "status")
	every := func(f func()) { a.rest = append(a.rest, f) }
	connections := gauge("db_connections_active", "Connections in use.").WithLabelValues()
	idle := gauge("db_connections_idle", "Connections at rest.").WithLabelValues()
	every(func() { n := rand.IntN(6); connections.Set(float64(n)); idle.Set(float64(8 - n)) })
	processed := counter("dmarc_reports_processed_total", "Reports.", "status")
	every(func() { processed.WithLabelValues("success").Add(2) })
	records := counter("dmarc_records_ingested_total", "Records.").WithLabelValues()
	every(func() { records.Add(8) })
	fetched := counter("dmarc_emails_fetched_total", "Mails.", "status")
	every(func() { fetched.WithLabelValues("success").Inc() })
	triggered := counter("alerts_triggered_total", "Alerts.", "alert_type", "severity")
	active := gauge("alerts_active", "Alerts that are open.", "severity")
	every(func() {
		triggered.WithLabelValues("volume", "warning").Add(0)
		active.WithLabelValues("warning").Set(1)
	})
	hits, misses := counter("cache_hits_total", "Lookups that hit.", "cache_type"), counter("cache_misses_total", "Lookups that missed.", "cache_type")
	every(func() { hits.WithLabelValues("report").Add(20); misses.WithLabelValues("report").Inc() })
	duration := histogram("celery_task_duration_seconds", "Time per task.", "task_name")
	length := gauge("celery_queue_length", "Tasks that wait.", "queue_name")
	every(func() {
		duration.WithLabelValues("ingest_reports").Observe(rand.Float64())
		length.WithLabelValues("celery").Set(float64(rand.IntN(40)))
		for _, status := range []string{"started", "succeeded"} {
			a.tasks.WithLabelValues("ingest_reports", status).Inc()
		}
		a.tasks.WithLabelValues("ingest_reports", "failed").Add(0)
	})
	return a
}

// move moves what is not a request.
func (a *application) move(context.Context) {
	for _, f := range a.rest {
		f()
	}
}

// ServeHTTP implements http.Handler: it takes as long as an application takes.
func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	endpoint := r.URL.Path
	if id, found := strings.CutPrefix(endpoint, "/api/reports/"); found && id != "upload" {
		endpoint = "/api/reports/{id}"
	}
	began := time.Now()
	working := a.inProgress.WithLabelValues(r.Method, endpoint)
	working.Inc()
	defer working.Dec()
	query := time.Duration(rand.ExpFloat64() * float64(8*time.Millisecond))
	time.Sleep(min(query, 400*time.Millisecond))
	a.queries.WithLabelValues("select").Observe(query.Seconds())
	if rand.IntN(100) == 0 {
		time.Sleep(600 * time.Millisecond)
	}
	status := http.StatusOK
	switch {
	case a.broken.Load() && rand.IntN(3) == 0:
		status = http.StatusServiceUnavailable
	case endpoint == "/api/missing":
		status = http.StatusNotFound
	case rand.IntN(2000) == 0:
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(strings.Repeat("x", 200+rand.IntN(2000)))) // A client that has left needs no answer.
	code := strconv.Itoa(status)
	a.requests.WithLabelValues(r.Method, endpoint, code).Inc()
	a.duration.WithLabelValues(r.Method, endpoint, code).Observe(time.Since(began).Seconds())
}
