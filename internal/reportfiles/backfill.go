package reportfiles

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// BackfillConfig says how Backfill counts. It should be that of the exporter whose past is filled.
type BackfillConfig struct {
	// Settled is how old a day must be to be printed.
	Settled time.Duration
	// Step is between samples; 0 means 15 minutes.
	Step time.Duration
	// Labels are added to all series, as a scrape does: job and instance.
	Labels map[string]string
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
	"dmarc_messages_by_source_total", "dmarc_messages_total", "dmarc_report_warnings_total",
	"dmarc_reporter_messages_total", "dmarc_reports_total", "dmarc_tls_failures_total", "dmarc_tls_sessions_total",
	"dmarc_policy_published_info", "dmarc_report_last_end_timestamp_seconds", "dmarc_reporter_last_end_timestamp_seconds",
	"dmarc_window_messages",
}

const daySeconds = 24 * 60 * 60

// endOf returns the last second of a day.
func endOf(d tally.Day) time.Time { return time.Unix((int64(d)+1)*daySeconds-1, 0).UTC() }

// past is where the reports of a backfill are.
type past interface {
	// days returns the days on which reports end, up to a last one.
	days(ctx context.Context, last tally.Day) ([]tally.Day, error)
	// entries calls visit with the reports that end on a day.
	entries(ctx context.Context, d tally.Day, visit func(*tally.Entry)) error
}

// Backfill prints, as OpenMetrics, the metrics that reports would have made, each
// spread evenly over its period. It counts them in a state of its own: those in
// files, or without any those that a store keeps.
func Backfill(ctx context.Context, s Streams, v *store.View, paths []string, c BackfillConfig) error {
	c.Step = cmp.Or(c.Step, 15*time.Minute)
	b, err := newBackfill(&c)
	if err != nil {
		return err
	}
	var from past = &pastStore{v, c.Sender}
	if len(paths) > 0 {
		from = &pastFiles{streams: s, paths: paths, sender: c.Sender}
	}
	days, err := from.days(ctx, tally.DayOf(time.Now().Add(-c.Settled)))
	if err != nil {
		return err
	}
	for _, d := range days {
		if err := b.count(ctx, d, from); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(s.Out)
	if err := errors.Join(b.history.write(out), out.Flush()); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return warnUnreported(s.Err, b.tally.Snapshot())
}

// pastStore is the past that a store keeps.
type pastStore struct {
	view   *store.View
	sender func(*dmarc.Record) string
}

func (p *pastStore) days(ctx context.Context, last tally.Day) (days []tally.Day, err error) {
	err = p.view.Query(ctx, func(row []any) error {
		d, _ := row[0].(int64)
		days = append(days, tally.Day(d))
		return nil
	}, "SELECT DISTINCT day FROM reports WHERE day > 0 AND day <= $1 ORDER BY day", int64(last))
	return days, err
}

func (p *pastStore) entries(ctx context.Context, d tally.Day, visit func(*tally.Entry)) error {
	f := store.Filter{Since: endOf(d - 1).Add(time.Second), Until: endOf(d).Add(time.Second)}
	return store.Entries(ctx, p.view, f, p.sender, func(e *tally.Entry) error {
		visit(e)
		return nil
	})
}

// pastFiles is the past in files, which are read twice: to find out which days
// they are about, and for each of these.
type pastFiles struct {
	streams Streams
	paths   []string
	sender  func(*dmarc.Record) string
	found   map[tally.Day][]string
}

func (p *pastFiles) days(ctx context.Context, last tally.Day) (days []tally.Day, err error) {
	p.found, err = findDays(ctx, p.streams, p.paths, last)
	return slices.Sorted(maps.Keys(p.found)), err
}

func (p *pastFiles) entries(ctx context.Context, d tally.Day, visit func(*tally.Entry)) error {
	return readEntries(ctx, nil, p.found[d], p.sender, func(found dated) error {
		if found.entry != nil && tally.DayOf(found.entry.End) == d {
			visit(found.entry)
		}
		return nil
	})
}

// dated is a report that was found: where, and the day its period ends.
type dated struct {
	path    string
	entry   *tally.Entry
	refused *reportjson.Refusal
}

// readEntries reads the reports in files.
func readEntries(ctx context.Context, stdin io.Reader, paths []string, sender func(*dmarc.Record) string, visit func(dated) error) error {
	newWorker := func(w *unpack.Walker) func(file, func(dated)) {
		c := newChecker(w, stdin, sender)
		return func(f file, emit func(dated)) {
			c.entries(f, func(e *tally.Entry, refused *reportjson.Refusal) { emit(dated{f.path, e, refused}) })
		}
	}
	return readAll(ctx, paths, newWorker, visit)
}

// findDays returns which files hold reports that ended on a day, up to the last one.
func findDays(ctx context.Context, s Streams, paths []string, last tally.Day) (map[tally.Day][]string, error) {
	days := map[tally.Day][]string{}
	if slices.Contains(paths, "-") {
		return nil, errors.New("backfill reads its files twice: it cannot read the standard input")
	}
	err := readEntries(ctx, s.In, paths, nil, func(d dated) error {
		if d.refused != nil {
			_, err := fmt.Fprintf(s.Err, "%s: %s\n", d.refused.Path, d.refused.Error.Message)
			return err
		}
		if d.entry.End.IsZero() || tally.DayOf(d.entry.End) > last {
			return nil
		}
		files := days[tally.DayOf(d.entry.End)]
		if len(files) == 0 || files[len(files)-1] != d.path {
			days[tally.DayOf(d.entry.End)] = append(files, d.path)
		}
		return nil
	})
	return days, err
}

// backfill counts day by day.
type backfill struct {
	tally    *tally.Tally
	registry *prometheus.Registry
	history  *history
	now      time.Time
	step     int64
}

func newBackfill(c *BackfillConfig) (*backfill, error) {
	step := int64(c.Step / time.Second)
	if step <= 0 || daySeconds%step != 0 {
		return nil, fmt.Errorf("a step of %v: want one that divides a day, such as 5m or 15m", c.Step)
	}
	labels, err := extraLabels(c.Labels)
	if err != nil {
		return nil, err
	}
	b := &backfill{registry: prometheus.NewRegistry(), history: newHistory(step, labels), step: step}
	b.tally = tally.New(tally.Config{
		// Whatever was found is counted.
		Horizon: 100 * 365 * 24 * time.Hour, Domains: c.Domains, Budget: c.Series, Now: func() time.Time { return b.now },
	})
	return b, b.registry.Register(collector.New(b.tally, collector.Config{}))
}

// extraLabels are the labels that all series get. Those of the metrics stay.
func extraLabels(values map[string]string) (labels []*dto.LabelPair, err error) {
	taken := []string{
		"auth_failure", "class", "code", "compliant", "disposition", "dkim", "domain", "kind", "policy_type", "reporter", "result", "result_type", "source", "spf",
		"p", "sp", "np", "adkim", "aspf", "pct", "testing", "window",
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch {
		case !model.LegacyValidation.IsValidLabelName(name) || strings.HasPrefix(name, "__"):
			return nil, fmt.Errorf("%q is no name of a label", name)
		case slices.Contains(taken, name):
			return nil, fmt.Errorf("the label %s is one of the metrics themselves", name)
		}
		value := values[name]
		labels = append(labels, &dto.LabelPair{Name: &name, Value: &value})
	}
	return labels, nil
}

// spread is the period of some reports, in steps.
type spread struct{ begin, end int64 }

// count counts the reports of one day and notes the metrics. Those of other days
// cannot be the same ones: the end of the period is part of an identity.
func (b *backfill) count(ctx context.Context, d tally.Day, from past) error {
	b.now = endOf(d)
	periods := map[spread][]*tally.Entry{}
	err := from.entries(ctx, d, func(e *tally.Entry) {
		const longest = 400 * daySeconds // What claims more would be spread thin.
		begin, end := max(e.Begin.Unix(), e.End.Unix()-longest), e.End.Unix()+1
		one := spread{begin / b.step, (end + b.step - 1) / b.step}
		if one.begin >= one.end {
			one.begin = one.end - 1
		}
		periods[one] = append(periods[one], e)
	})
	if err != nil {
		return err
	}
	for _, p := range slices.SortedFunc(maps.Keys(periods), func(a, b spread) int { return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end)) }) {
		delta := b.tally.Begin()
		for _, e := range periods[p] {
			delta.Count(e)
		}
		b.tally.Apply(delta)
		if err := b.gather(dto.MetricType_COUNTER, func(f *dto.MetricFamily) { b.history.grow(f, p.begin, p.end) }); err != nil {
			return err
		}
	}
	return b.gather(dto.MetricType_GAUGE, func(f *dto.MetricFamily) { b.history.jump(f, (b.now.Unix()+1)/b.step) })
}

// gather calls visit with the families of a type.
func (b *backfill) gather(kind dto.MetricType, visit func(*dto.MetricFamily)) error {
	families, err := b.registry.Gather()
	if err != nil {
		return fmt.Errorf("gather day: %w", err)
	}
	for _, family := range families {
		if slices.Contains(backfilled, family.GetName()) && family.GetType() == kind {
			visit(family)
		}
	}
	return nil
}
