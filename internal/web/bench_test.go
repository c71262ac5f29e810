package web

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/postgres"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// benchDomains are as many domains as the goals of docs/pages.md are for.
const benchDomains = 300

// BenchmarkPages asks for pages about 300 domains. A day has 2,000 reports with
// 57,000 records; PAGES_DAYS=176 makes 10 million of them. With PAGES_STATE and
// PAGES_DATABASE, a file and a connection string, they are made once.
func BenchmarkPages(b *testing.B) {
	days := realtest.Count(b, "PAGES_DAYS", 1)
	b.Run("sqlite", func(b *testing.B) {
		engine := sqliteFile(b)
		if path := os.Getenv("PAGES_STATE"); path != "" {
			engine = sqlite.File{Path: path}
		}
		benchPages(b, engine, days)
	})
	b.Run("postgres", func(b *testing.B) {
		dsn := os.Getenv("PAGES_DATABASE")
		if dsn == "" {
			dsn = realtest.Postgres(b).DSN("postgres")
		}
		config, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			b.Fatal(err)
		}
		benchPages(b, postgres.Database{Config: config}, days)
	})
}

func benchPages(b *testing.B, engine store.Engine, days int) {
	ctx := context.Background()
	at := testNow
	now := func() time.Time { return at }
	v, err := engine.View(ctx)
	fill := errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrNone)
	if err == nil {
		err = v.Close()
	}
	if err != nil && !fill && !errors.Is(err, store.ErrOlder) {
		b.Fatal(err)
	}
	s, err := store.Open(ctx, engine, store.Config{Counts: tally.Config{Now: now, Budget: 1000}, Records: store.RecordsAll})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if fill {
		start := time.Now()
		for day := days - 1; day >= 0; day-- {
			at = testNow.AddDate(0, 0, -day)
			for k := 0; k < benchDomains; k += 50 {
				if _, err := s.Commit(ctx, benchDay(b, day, k, k+50)); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := s.RollUp(ctx); err != nil {
			b.Fatal(err)
		}
		b.Logf("%d days took %v", days, time.Since(start).Round(time.Second))
	}
	if e, ok := engine.(interface{ KeepViews() store.Engine }); ok {
		engine = e.KeepViews() // as pages do
	}
	benchAnswers(b, engine)
	w := &world{}
	c := Config{Engine: engine, Records: store.RecordsAll, Counts: s.Snapshot, Now: now, Deadline: time.Minute, Readiness: 100 * time.Millisecond}
	w.use(c)
	for _, page := range []string{"/", "/?page=12", "/overview.csv", "/domain?name=d0.example", "/domain?name=d150.example", "/sources", "/sources?domain=d0.example&failing=1", "/source?address=10.0.1.1", "/reports", "/tls"} {
		for _, again := range []bool{false, true} {
			b.Run(map[bool]string{false: "first", true: "again"}[again]+page, func(b *testing.B) {
				used := processorTime()
				for range b.N {
					if !again {
						w.use(c) // Nothing is known yet.
					}
					r := w.get(b, page)
					if r.Code != http.StatusOK {
						b.Fatalf("GET %s: %d\n%s", page, r.Code, r.Body)
					}
					b.ReportMetric(float64(r.Body.Len()), "bytes")
				}
				b.ReportMetric(float64((processorTime()-used).Milliseconds())/float64(b.N), "cpu-ms")
			})
		}
	}
}

// benchAnswers asks what the goals of docs/performance.md are for.
func benchAnswers(b *testing.B, engine store.Engine) {
	ctx := context.Background()
	var id string
	until := testNow.Truncate(24 * time.Hour)
	month := store.Period{Domain: "d0.example", Since: until.AddDate(0, 0, -30), Until: until}
	for _, one := range []struct {
		name string
		ask  func(v *store.View) error
	}{
		{"newest report", func(v *store.View) error {
			reports, _, err := store.AskReports(ctx, v, store.ReportQuestion{Domain: month.Domain, Since: month.Since, Top: 1})
			for i := range reports {
				id = reports[i].ReportID
			}
			return err
		}},
		{"failing sources", func(v *store.View) error {
			a, err := store.Ask(ctx, v, store.Question{By: store.BySource, Period: month, Failing: true, Top: 20})
			if err == nil && len(a.Groups) != 20 {
				err = fmt.Errorf("%d groups", len(a.Groups))
			}
			return err
		}},
		{"report", func(v *store.View) error {
			n, err := store.Find(ctx, v, id, func(reportjson.Line) error { return nil })
			if err == nil && n != 1 {
				err = fmt.Errorf("%d reports", n)
			}
			return err
		}},
		{"readiness", func(v *store.View) error {
			_, err := store.AskReadiness(ctx, v, month.Domain, time.Time{})
			return err
		}},
	} {
		b.Run("ask "+one.name, func(b *testing.B) {
			used := processorTime()
			for b.Loop() {
				v, err := engine.View(ctx)
				if err != nil {
					b.Fatal(err)
				}
				if err := errors.Join(one.ask(v), v.Close()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((processorTime()-used).Microseconds())/1000/float64(b.N), "cpu-ms")
		})
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchDay makes the reports of a day about some domains: the first of all have
// most reporters, and most records.
func benchDay(b *testing.B, day, first, end int) *store.Delivery {
	d := &store.Delivery{Source: "bench"}
	reader := &tally.Reader{}
	draft := store.NewDraft(reader, store.DraftConfig{})
	at := testNow.Truncate(24*time.Hour).AddDate(0, 0, -1-day)
	for k := first; k < end; k++ {
		weight := math.Pow(float64(k+1), -0.7)
		for org := range 5 + int(35*weight) {
			e := &tally.Entry{
				Identity: tally.Identity{
					Kind: unpack.KindAggregate, Org: fmt.Sprint("Reporter ", org), Email: "d@mail.example", Domain: fmt.Sprintf("d%d.example", k), ReportID: fmt.Sprintf("%d-%d-%d", day, k, org),
					Begin: at, End: at.Add(24*time.Hour - time.Second),
				},
				Records: 4 + int64(270*weight), Groups: map[tally.Group]int64{},
			}
			e.Policy = dmarc.Policy{Domain: e.Domain, P: [...]dmarc.Disposition{"reject", "quarantine", "none"}[k%3]}
			binary.BigEndian.PutUint64(e.Digest[:], uint64(day<<20|k<<8|org))
			report := &dmarc.Report{Policy: e.Policy}
			for j := range int(e.Records) {
				rec := benchRecord(day, k, org, j)
				reader.Record(report, rec)
				group := tally.Group{Domain: e.Domain, Disposition: "none", Class: tally.ClassUnauthenticated}
				if rec.DKIM == "pass" {
					e.PassMessages += rec.Count
					group.DKIM, group.Class = true, tally.ClassDKIMOnly
				}
				e.Messages += rec.Count
				e.Groups[group] += rec.Count
			}
			reader.Report(report)
			details, err := draft.Take()
			if err != nil {
				b.Fatal(err)
			}
			d.Entries, d.Details = append(d.Entries, e), append(d.Details, details)
		}
	}
	return d
}

// benchRecord makes a record of one of 15,000 addresses.
func benchRecord(day, k, org, j int) *dmarc.Record {
	domain, address := fmt.Sprintf("d%d.example", k), (k*31+j*2003+(org+day)%7)*7919%15_000
	rec := &dmarc.Record{
		Source: fmt.Sprintf("10.%d.%d.%d", address>>12, address>>6&63, address&63), Count: int64(1 + (day+org+j)%90), Disposition: "none", DKIM: "pass", SPF: "fail",
		HeaderFrom: domain, EnvelopeFrom: fmt.Sprintf("bounce%d.example", j%40),
		AuthDKIM: []dmarc.DKIMAuth{{Domain: domain, Selector: "s1", Result: "pass"}},
		AuthSPF:  []dmarc.SPFAuth{{Domain: fmt.Sprintf("bounce%d.example", j%40), Scope: "mfrom", Result: "pass"}},
	}
	if j%10 == 9 {
		rec.DKIM, rec.AuthDKIM[0].Result = "fail", "fail"
	}
	return rec
}
