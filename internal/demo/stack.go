package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// demo is all that runs.
type demo struct {
	host     *host
	dir      string // of everything that is written
	programs string // where the exporters are
	targets  []target
	web      *web
	cache    *cache
	files    *hostFiles
	api      api

	alertmanager string // URL
}

// target is what Prometheus scrapes; the name is that of its instance, if another.
type target struct{ job, address, name string }

// start starts everything in an order in which each finds what it needs. With
// history there was something before.
func start(ctx context.Context, h *host, s size, history bool) *demo {
	if err := missing(installed); err != nil {
		h.Fatal(err)
	}
	if err := atRoot(); err != nil {
		h.Fatal(err)
	}
	dir := h.TempDir()
	d := &demo{host: h, dir: dir, programs: filepath.Join(dir, "bin")}
	build(h, d.programs)
	compileMixin(h, d.mkdir("rules"))
	if history {
		fmt.Println("Making up a month of budgets …")
		backfill(ctx, h, filepath.Join(dir, "rules"), d.mkdir("tsdb"))
	}
	fmt.Println("Starting PostgreSQL, Redis and nginx …")
	moving := d.movers(ctx)

	database := startDatabase(ctx, h)
	moving(time.Second, database.move)
	d.cache = startCache(h)
	moving(200*time.Millisecond, d.cache.move)
	application := startApplication(h)
	moving(time.Second, application.move)
	d.web = startWeb(h, application)
	for range clients {
		moving(100*time.Millisecond, d.web.visit())
	}
	reports := newReports(h, d.mkdir("spool"), s.domains)
	moving(5*time.Second, reports.move)
	d.files = newHostFiles(h, d.mkdir("node"))
	moving(2*time.Second, d.files.move)

	fmt.Println("Starting the exporters …")
	config, budget := d.write("dmarc.yml", dmarcConfig+reports.tenants()), 2000+60*s.domains
	for range 2 { // One leads, and the other one waits.
		d.exporter("dmarc-exporter", "dmarc_exporter", []string{"PGPASSWORD=" + realtest.PostgresPassword}, "serve", "--source.dir="+reports.dir, "--source.refused=keep",
			"--source.rescan=5s", "--state.database="+database.kept, "--state.shared", "--state.horizon=36500d", fmt.Sprintf("--budget.series=%d", budget), "--config.file="+config)
	}
	d.exporter("postgres-queries-exporter", "postgres_queries_exporter", []string{"DATA_SOURCE_NAME=" + database.dsn},
		"--extend.query-path="+d.write("queries.yaml", hurry(h, queries)))
	d.exporter("redis-exporter", "redis_exporter", []string{"REDIS_ADDR=" + d.cache.address()},
		"--check-queues="+strings.Join(queues, ","), "--check-interval=5s")
	d.exporter("nginx-exporter", "nginx_exporter", nil, "--config.file="+d.write("nginx.yml", d.web.exporterConfig(dir)))
	d.exporter("node-exporter", "node_exporter", nil, d.files.flags()...)
	// Other hosts are this one again, under another name.
	for i := 1; i < s.hosts; i++ {
		node := d.targets[len(d.targets)-1]
		node.name = fmt.Sprintf("host%02d.example:9100", i)
		d.targets = append(d.targets, node)
	}
	d.targets = append(d.targets, target{job: "dmarc-dashboard", address: application.metricsAddress})

	fmt.Println("Starting Alertmanager and Prometheus …")
	d.alertmanager = startAlertmanager(d)
	d.api = startPrometheus(d)
	return d
}

// movers returns what calls a function again and again until the demo ends.
func (d *demo) movers(ctx context.Context) func(every time.Duration, f func(context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	d.host.Cleanup(func() {
		cancel()
		all.Wait()
	})
	return func(every time.Duration, f func(context.Context)) {
		all.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					f(ctx)
				}
			}
		})
	}
}

// exporter starts an exporter and makes it a target.
func (d *demo) exporter(job, program string, environment []string, args ...string) {
	address := realtest.FreeAddress(d.host)
	cmd := exec.Command(filepath.Join(d.programs, program), append(args, "--web.listen-address="+address)...)
	cmd.Dir = d.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environment...)
	realtest.Start(d.host, cmd).WaitFor(d.host, realtest.Dial("tcp", address))
	d.targets = append(d.targets, target{job: job, address: address})
}

func (d *demo) mkdir(name string) string {
	path := filepath.Join(d.dir, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		d.host.Fatal(err)
	}
	return path
}

// write writes a configuration and returns its path.
func (d *demo) write(name, text string) string {
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.host.Fatal(err)
	}
	return path
}

// addresses is where to look.
func (d *demo) addresses() string {
	var b strings.Builder
	line := func(name, url string) { fmt.Fprintf(&b, "  %-28s %s\n", name, url) }
	line("prometheus", d.api.url)
	line("  its alerts", d.api.url+"/alerts")
	line("alertmanager", d.alertmanager)
	for _, t := range d.targets {
		if t.name != "" {
			continue
		}
		line(t.job, "http://"+t.address+"/metrics")
	}
	line("nginx", d.web.server.URL("/"))
	return b.String()
}
