package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// backfillOptions are the flags of backfill.
type backfillOptions struct {
	format  string
	settled model.Duration
	config  string
	domains []string
	series  int
	paths   []string
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

// runBackfill is the command backfill. It counts the reports as if each had
// arrived on the day that its period ended, in a state of its own.
func (a *app) runBackfill(ctx context.Context, o backfillOptions) int {
	limitHeap(o.series)
	c := &config{}
	if o.config != "" {
		var err error
		if c, err = loadConfig(o.config); err != nil {
			return a.fail(err)
		}
		o.domains = append(o.domains, c.Domains...)
	}
	senders, err := newSenders(c.Senders)
	if err != nil {
		return a.fail(err)
	}
	days, err := a.findDays(ctx, o.paths, dayOf(time.Now().Add(-time.Duration(o.settled))))
	if err != nil {
		return a.fail(err)
	}
	dir, err := os.MkdirTemp("", "dmarc-backfill-*")
	if err != nil {
		return a.fail(err)
	}
	defer os.RemoveAll(dir)
	b, err := newBackfill(filepath.Join(dir, "state.db"), &o)
	if err != nil {
		return a.fail(err)
	}
	b.sender = senders.Name
	for _, d := range slices.Sorted(keysOf(days)) {
		if err := b.count(ctx, a, d, days[d]); err != nil {
			return a.fail(errors.Join(err, b.tally.Close()))
		}
	}
	out := bufio.NewWriter(a.stdout)
	if err := errors.Join(b.tally.Close(), b.history.write(out), out.Flush()); err != nil {
		return a.fail(fmt.Errorf("write output: %w", err))
	}
	return exitOK
}

func keysOf[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// dated is a report that was found: where, and the day its period ends.
type dated struct {
	path    string
	entry   *tally.Entry
	refused *refusal
}

// readEntries reads the reports in files.
func (a *app) readEntries(ctx context.Context, paths []string, sender func(netip.Addr) string, visit func(dated) error) error {
	newWorker := func() func(file, func(dated)) {
		c := newChecker(a.stdin, false, sender)
		return func(f file, emit func(dated)) {
			c.entries(f, func(e *tally.Entry, refused *refusal) { emit(dated{f.path, e, refused}) })
		}
	}
	return readAll(ctx, paths, newWorker, visit)
}

// findDays returns which files hold reports that ended on a day, up to the last one.
func (a *app) findDays(ctx context.Context, paths []string, last day) (map[day][]string, error) {
	days := map[day][]string{}
	if slices.Contains(paths, "-") {
		return nil, errors.New("backfill reads its files twice: it cannot read the standard input")
	}
	err := a.readEntries(ctx, paths, nil, func(d dated) error {
		if d.refused != nil {
			_, err := fmt.Fprintf(a.stderr, "%s: %s\n", d.refused.Path, d.refused.Error.Message)
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
	sender   func(netip.Addr) string
}

func newBackfill(state string, o *backfillOptions) (*backfill, error) {
	b := &backfill{registry: prometheus.NewRegistry()}
	var err error
	b.tally, err = tally.Open(state, tally.Config{
		// Whatever was found is counted.
		Horizon: 100 * 365 * 24 * time.Hour, Domains: o.domains, Budget: o.series, Now: func() time.Time { return b.now },
	})
	if err != nil {
		return nil, err
	}
	return b, b.registry.Register(collector.New(b.tally, collector.Config{}))
}

// count counts the reports of one day and notes the counters.
func (b *backfill) count(ctx context.Context, a *app, d day, paths []string) error {
	b.now = d.end()
	const chunk = 500
	var entries []*tally.Entry
	commit := func() error {
		_, err := b.tally.Commit(ctx, &tally.Delivery{Entries: entries})
		entries = nil
		return err
	}
	err := a.readEntries(ctx, paths, b.sender, func(found dated) error {
		if found.entry == nil || dayOf(found.entry.End) != d {
			return nil
		}
		if entries = append(entries, found.entry); len(entries) < chunk {
			return nil
		}
		return commit()
	})
	if err := errors.Join(err, commit()); err != nil {
		return err
	}
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
