//go:build linux || (darwin && cgo)

package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// maxTextfile bounds a file with metrics in bytes.
const maxTextfile = 64 << 20

// textfiles is the collector of files with metrics, with upstream's names and
// flags. Upstream's own opens whatever it finds and hangs on a FIFO. This one
// reads regular files only, shows those that are right beside those that are
// not, and logs a file that is wrong once.
type textfiles struct {
	directories []string // or patterns of them
	log         *slog.Logger
	table       *collect.Table[*textfileRun]
	failing     map[string]string // what was logged, by file or directory
}

// textfileRun is one run over the directories.
type textfileRun struct {
	families map[string][]*dto.MetricFamily // by name, one of each file that has it
	series   map[string]bool
	origins  map[string][]string // the files of a family
	mtimes   map[string]time.Time
	errs     map[string]error // by file or directory
}

func newTextfiles(directories []string, log *slog.Logger) *textfiles {
	return &textfiles{directories: directories, log: log, table: collect.NewTable(textfileRows(), nil), failing: map[string]string{}}
}

// textfileRows are the metrics about the files. Their help is upstream's.
func textfileRows() []collect.Row[*textfileRun] {
	return []collect.Row[*textfileRun]{
		collect.Gauge("node_textfile_mtime_seconds", "Unixtime mtime of textfiles successfully read.",
			func(r *textfileRun, s collect.Series) {
				for file, at := range r.mtimes {
					s.Value(float64(at.Unix()), file)
				}
			}, "file"),
		collect.Gauge("node_textfile_scrape_error", "1 if there was an error opening or reading a file, 0 otherwise",
			func(r *textfileRun, s collect.Series) { s.Flag(len(r.errs) > 0) }),
	}
}

// Update implements updater.
func (c *textfiles) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	r := &textfileRun{families: map[string][]*dto.MetricFamily{}, series: map[string]bool{}, origins: map[string][]string{}, mtimes: map[string]time.Time{}, errs: map[string]error{}}
	for _, dir := range c.found() {
		entries, err := os.ReadDir(dir)
		if err != nil {
			r.errs[dir] = fmt.Errorf("read directory of textfiles: %w", err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".prom") {
				r.read(filepath.Join(dir, e.Name()))
			}
		}
	}
	c.logChanges(r.errs)
	var out collect.Output
	r.write(&out)
	c.table.Write(r, &out)
	out.Send(ch)
	return nil
}

// found returns the directories that there are, and those that are missing.
func (c *textfiles) found() []string {
	var dirs []string
	for _, pattern := range c.directories {
		matches, err := filepath.Glob(pattern)
		if err != nil || len(matches) == 0 {
			matches = []string{pattern} // Reading it shows what is wrong.
		}
		for _, dir := range matches {
			if dir != "" { // the default of the flag
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

// read reads a file and takes its families, unless one has another type or help text
// than in a file before, and of their series those that are not there yet.
func (r *textfileRun) read(file string) {
	families, mtime, err := readTextfile(file)
	if err != nil {
		r.errs[file] = err
		return
	}
	r.mtimes[file] = mtime
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if err := r.take(families[name], file); err != nil {
			r.errs[file] = err
		}
	}
}

// take takes what can be shown of a family. The error is why that is not all.
func (r *textfileRun) take(f *dto.MetricFamily, file string) error {
	name := f.GetName()
	first := r.origins[name]
	if isOwnMetric(name) {
		return fmt.Errorf("%s is a metric of the exporter itself", name)
	}
	for _, earlier := range r.families[name] {
		switch {
		case earlier.GetType() != f.GetType():
			return fmt.Errorf("the type of %s differs from that in %s", name, first[0])
		case earlier.Help != nil && f.Help != nil && earlier.GetHelp() != f.GetHelp():
			return fmt.Errorf("the help of %s differs from that in %s", name, first[0])
		}
	}
	all := len(f.GetMetric())
	f.Metric = slices.DeleteFunc(f.Metric, func(m *dto.Metric) bool {
		id := seriesOf(name, m)
		again := r.series[id]
		r.series[id] = true
		return again
	})
	r.origins[name] = append(first, file)
	r.families[name] = append(r.families[name], f)
	if n := all - len(f.Metric); n > 0 {
		return fmt.Errorf("%d series of %s are there twice", n, name)
	}
	return nil
}

// isOwnMetric reports whether a name is one of the metrics that tell how collectors and
// textfiles fare. A file must not make them up.
func isOwnMetric(name string) bool {
	return strings.HasPrefix(name, "node_textfile_") || strings.HasPrefix(name, "node_scrape_collector_")
}

// seriesOf identifies a series. A label without a value is as good as none.
func seriesOf(name string, m *dto.Metric) string {
	labels := slices.DeleteFunc(slices.Clone(m.GetLabel()), func(l *dto.LabelPair) bool { return l.GetValue() == "" })
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	var id strings.Builder
	id.WriteString(name)
	for _, l := range labels {
		id.WriteString("\xff" + l.GetName() + "\xff" + l.GetValue()) // which is in no valid UTF-8
	}
	return id.String()
}

// helpOf returns the help that a family had in the files before.
func (r *textfileRun) helpOf(name string) string {
	for _, f := range r.families[name] {
		if f.Help != nil {
			return f.GetHelp()
		}
	}
	return ""
}

// readTextfile parses a file as a whole.
func readTextfile(file string) (map[string]*dto.MetricFamily, time.Time, error) {
	// Opened like this, a FIFO does not wait for its writer.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, time.Time{}, err
	case !info.Mode().IsRegular():
		return nil, time.Time{}, errors.New("not a regular file")
	case info.Size() > maxTextfile:
		return nil, time.Time{}, fmt.Errorf("larger than %d bytes", maxTextfile)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(f, maxTextfile))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("parse: %w", err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if m.TimestampMs != nil {
				return nil, time.Time{}, fmt.Errorf("%s has a timestamp, which is not supported", family.GetName())
			}
		}
	}
	return families, info.ModTime(), nil
}

// write adds the samples of the files.
func (r *textfileRun) write(out *collect.Output) {
	for name, families := range r.families {
		for _, f := range families {
			help := r.helpOf(name)
			if help == "" && f.Help == nil {
				help = "Metric read from " + strings.Join(r.origins[name], ", ")
			}
			writeFamily(f, help, out)
		}
	}
}

// kinds are the types of metrics with a single value.
var kinds = map[dto.MetricType]prometheus.ValueType{
	dto.MetricType_COUNTER: prometheus.CounterValue, dto.MetricType_GAUGE: prometheus.GaugeValue, dto.MetricType_UNTYPED: prometheus.UntypedValue,
}

// writeFamily adds the samples of a family, all with the same labels: one that a
// line does not have is empty.
func writeFamily(f *dto.MetricFamily, help string, out *collect.Output) {
	all := map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			all[l.GetName()] = true
		}
	}
	names := slices.Sorted(maps.Keys(all))
	family := collect.NewFamily(kinds[f.GetType()], f.GetName(), help, names, nil)
	for _, m := range f.GetMetric() {
		values := make([]string, len(names))
		for _, l := range m.GetLabel() {
			values[slices.Index(names, l.GetName())] = l.GetValue()
		}
		switch {
		case m.Histogram != nil:
			buckets := map[float64]uint64{}
			for _, b := range m.GetHistogram().GetBucket() {
				buckets[b.GetUpperBound()] = b.GetCumulativeCount()
			}
			out.Histogram(family, collect.Buckets(m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum(), buckets, time.Time{}), values...)
		case m.Summary != nil:
			quantiles := map[float64]float64{}
			for _, q := range m.GetSummary().GetQuantile() {
				quantiles[q.GetQuantile()] = q.GetValue()
			}
			out.Summary(family, m.GetSummary().GetSampleCount(), m.GetSummary().GetSampleSum(), quantiles, values...)
		default:
			out.Add(family, m.GetCounter().GetValue()+m.GetGauge().GetValue()+m.GetUntyped().GetValue(), values...)
		}
	}
}

// logChanges logs the files and directories that began or ceased to be wrong.
func (c *textfiles) logChanges(errs map[string]error) {
	for file, err := range errs {
		if c.failing[file] != err.Error() {
			c.log.Error("textfile is not shown", "file", file, "err", err)
		}
	}
	for file := range c.failing {
		if errs[file] == nil {
			c.log.Info("textfile is right again, or gone", "file", file)
		}
	}
	clear(c.failing)
	for file, err := range errs {
		c.failing[file] = err.Error()
	}
}
