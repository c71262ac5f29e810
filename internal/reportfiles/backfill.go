package reportfiles

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// BackfillConfig says how Backfill counts. It should be that of the exporter whose past is filled.
type BackfillConfig struct {
	// Settled is how old a day must be to be printed.
	Settled time.Duration
	// Domains are the own domains; without any they are learnt from reports.
	Domains []string
	// Series is the budget of series, as tally.Config.Budget.
	Series int
	// Sender names the sender of a record; nil names none.
	Sender func(*dmarc.Record) string
}

// backfilled are the metrics that backfill writes: those that say what
// reports say, and not how they arrived.
var backfilled = []string{
	"dmarc_compliant_messages_total", "dmarc_failure_reports_total", "dmarc_messages_by_class_total",
	"dmarc_messages_by_source_total", "dmarc_messages_total",
	"dmarc_reporter_messages_total", "dmarc_reports_total", "dmarc_tls_failures_total", "dmarc_tls_sessions_total",
}

// day is a day in UTC: its number since 1970.
type day int

func dayOf(t time.Time) day { return day(t.Unix() / 86400) }

// end returns the last second of the day, when its counters are final.
func (d day) end() time.Time { return time.Unix(int64(d+1)*86400-1, 0).UTC() }

// Backfill prints, as OpenMetrics, the counters that reports would have made.
// It counts them as if each had arrived on the day that its period ended, in a
// state of its own.
func Backfill(ctx context.Context, s Streams, paths []string, c BackfillConfig) error {
	days, err := findDays(ctx, s, paths, dayOf(time.Now().Add(-c.Settled)))
	if err != nil {
		return err
	}
	b, err := newBackfill(&c)
	if err != nil {
		return err
	}
	for _, d := range slices.Sorted(maps.Keys(days)) {
		if err := b.count(ctx, d, days[d]); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(s.Out)
	if err := errors.Join(b.history.write(out), out.Flush()); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return warnUnreported(s.Err, b.tally.Snapshot())
}

// dated is a report that was found: where, and the day its period ends.
type dated struct {
	path    string
	entry   *tally.Entry
	refused *refusal
}

// readEntries reads the reports in files.
func readEntries(ctx context.Context, stdin io.Reader, paths []string, sender func(*dmarc.Record) string, visit func(dated) error) error {
	newWorker := func() func(file, func(dated)) {
		c := newChecker(stdin, sender)
		return func(f file, emit func(dated)) {
			c.entries(f, func(e *tally.Entry, refused *refusal) { emit(dated{f.path, e, refused}) })
		}
	}
	return readAll(ctx, paths, newWorker, visit)
}

// findDays returns which files hold reports that ended on a day, up to the last one.
func findDays(ctx context.Context, s Streams, paths []string, last day) (map[day][]string, error) {
	days := map[day][]string{}
	if slices.Contains(paths, "-") {
		return nil, errors.New("backfill reads its files twice: it cannot read the standard input")
	}
	err := readEntries(ctx, s.In, paths, nil, func(d dated) error {
		if d.refused != nil {
			_, err := fmt.Fprintf(s.Err, "%s: %s\n", d.refused.Path, d.refused.Error.Message)
			return err
		}
		if d.entry.End.IsZero() || dayOf(d.entry.End) > last {
			return nil
		}
		files := days[dayOf(d.entry.End)]
		if len(files) == 0 || files[len(files)-1] != d.path {
			days[dayOf(d.entry.End)] = append(files, d.path)
		}
		return nil
	})
	return days, err
}

// backfill counts day by day.
type backfill struct {
	tally    *tally.Tally
	registry *prometheus.Registry
	history  history
	now      time.Time
	sender   func(*dmarc.Record) string
}

func newBackfill(c *BackfillConfig) (*backfill, error) {
	b := &backfill{registry: prometheus.NewRegistry(), sender: c.Sender}
	b.tally = tally.New(tally.Config{
		// Whatever was found is counted.
		Horizon: 100 * 365 * 24 * time.Hour, Domains: c.Domains, Budget: c.Series, Now: func() time.Time { return b.now },
	})
	return b, b.registry.Register(collector.New(b.tally, collector.Config{}))
}

// count counts the reports of one day and notes the counters. Those of other
// days cannot be the same ones: the end of the period is part of an identity.
func (b *backfill) count(ctx context.Context, d day, paths []string) error {
	b.now = d.end()
	delta := b.tally.Begin()
	err := readEntries(ctx, nil, paths, b.sender, func(found dated) error {
		if found.entry != nil && dayOf(found.entry.End) == d {
			delta.Count(found.entry)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.tally.Apply(delta)
	families, err := b.registry.Gather()
	if err != nil {
		return fmt.Errorf("gather day: %w", err)
	}
	for _, family := range families {
		if slices.Contains(backfilled, family.GetName()) && family.GetType() == dto.MetricType_COUNTER {
			b.history.add(d, family)
		}
	}
	return nil
}
