package exporter

import (
	"cmp"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// page is what a gather gives. Samples, of which there may be hundreds of
// thousands, stay as small as collectors send them until they are written.
type page struct {
	families []*dto.MetricFamily // in the order of their names
	bulks    []*bulk             // the same; no name is among families, too
	bodies   *bodies             // of a page that several scrapes share, else nil
}

// bulk is a metric whose samples are plain numbers.
type bulk struct {
	family  *collect.Family
	samples []*collect.Sample // in the order of their labels
}

// page makes a page of what runs have sent so far, their outcome, and what own
// collects. Duplicates and invalid metrics are dropped and counted. Finding them
// is the business of a registry, which gets everything when there are any.
func (s *stats) page(runs []*run, own prometheus.Collector) *page {
	var samples []*collect.Sample
	for _, r := range runs {
		samples = append(samples, r.numbers()...)
	}
	bulks, ok := grouped(samples)
	if ok {
		families, err := s.gather(runs, own, false)
		if !clash(families, bulks) {
			s.drop(err)
			return &page{families: families, bulks: bulks}
		}
	}
	families, err := s.gather(runs, own, true)
	s.drop(err)
	return &page{families: families}
}

// grouped puts samples in order, and reports whether a registry would take them.
func grouped(samples []*collect.Sample) (bulks []*bulk, ok bool) {
	byFamily, byName := map[*collect.Family]*bulk{}, map[string]*bulk{}
	for _, s := range samples {
		b := byFamily[s.Family]
		if b == nil {
			if s.Desc().Err() != nil {
				return nil, false
			}
			if b = byName[s.Family.Name]; b == nil {
				b = &bulk{family: s.Family}
				byName[s.Family.Name] = b
				bulks = append(bulks, b)
			} else if b.family.Kind != s.Family.Kind || b.family.Help != s.Family.Help {
				return nil, false
			}
			byFamily[s.Family] = b
		}
		b.samples = append(b.samples, s)
	}
	var o order
	for _, b := range bulks {
		if !o.sort(b.samples) {
			return nil, false
		}
	}
	slices.SortFunc(bulks, func(a, b *bulk) int { return strings.Compare(a.family.Name, b.family.Name) })
	return bulks, true
}

// order sorts the samples of one metric after the other. Those of the same rows
// share their labels and come in the same order, so that one of them shows it for
// all.
type order struct {
	labels [][]*dto.LabelPair // of each sample, before they were sorted
	places []int              // where each comes from
}

// sort sorts samples, and reports whether all are different and valid.
func (o *order) sort(samples []*collect.Sample) bool {
	if len(samples) == 1 {
		return valid(samples[0])
	}
	if !o.shared(samples) {
		o.places, o.labels = o.places[:0], o.labels[:0]
		for i, s := range samples {
			if len(s.Labels) == 0 || !valid(s) {
				return false // A second one without labels is a duplicate.
			}
			o.places, o.labels = append(o.places, i), append(o.labels, s.Labels)
		}
		slices.SortFunc(o.places, func(a, b int) int { return compare(samples[a], samples[b]) })
		for i := range o.places[1:] {
			if compare(samples[o.places[i]], samples[o.places[i+1]]) == 0 {
				return false
			}
		}
	}
	before := slices.Clone(samples)
	for i, from := range o.places {
		samples[i] = before[from]
	}
	return true
}

// shared reports whether samples have the very labels of the metric before.
func (o *order) shared(samples []*collect.Sample) bool {
	if len(samples) != len(o.labels) {
		return false
	}
	for i, s := range samples {
		if !same(s.Labels, o.labels[i]) {
			return false
		}
	}
	return true
}

// valid reports whether a registry would take the labels of a sample.
func valid(s *collect.Sample) bool {
	for i, l := range s.Labels {
		if i > 0 && s.Labels[i-1].GetName() >= l.GetName() {
			return false
		}
		if !isText(l.GetValue()) {
			return false
		}
	}
	return true
}

// isText reports whether a value is UTF-8; nearly all are ASCII.
func isText(s string) bool { return strings.ToValidUTF8(s, "") == s }

// compare compares the values of labels, as a registry orders them. Samples whose
// labels have other names are equal when their values are.
func compare(a, b *collect.Sample) int {
	if c := cmp.Compare(len(a.Labels), len(b.Labels)); c != 0 {
		return c
	}
	for i := range a.Labels {
		if c := strings.Compare(a.Labels[i].GetValue(), b.Labels[i].GetValue()); c != 0 {
			return c
		}
	}
	return 0
}

// clash reports whether a name is among both, or among the series of a histogram
// or a summary.
func clash(families []*dto.MetricFamily, bulks []*bulk) bool {
	has := func(name string) bool {
		_, found := slices.BinarySearchFunc(bulks, name, func(b *bulk, name string) int { return strings.Compare(b.family.Name, name) })
		return found
	}
	for _, f := range families {
		name := f.GetName()
		if has(name) {
			return true
		}
		switch f.GetType() {
		case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM, dto.MetricType_SUMMARY:
			if has(name+"_count") || has(name+"_sum") || has(name+"_bucket") {
				return true
			}
		}
	}
	return false
}

// with returns the page with more families, of other names.
func (p *page) with(more []*dto.MetricFamily) *page {
	all := slices.Concat(p.families, more)
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return &page{families: all, bulks: p.bulks}
}

// series returns how many series there are.
func (p *page) series() (n int) {
	for _, f := range p.families {
		n += len(f.GetMetric())
	}
	for _, b := range p.bulks {
		n += len(b.samples)
	}
	return n
}

// chosen returns the families whose names want takes.
func (p *page) chosen(want func(name string) bool) []*dto.MetricFamily {
	var all []*dto.MetricFamily
	for _, f := range p.families {
		if want(f.GetName()) {
			all = append(all, f)
		}
	}
	for _, b := range p.bulks {
		if want(b.family.Name) {
			all = append(all, new(writer).family(b))
		}
	}
	return all
}

// send sends everything to another page.
func (p *page) send(ch chan<- prometheus.Metric) {
	for _, f := range p.families {
		sendFamily(f, ch)
	}
	for _, b := range p.bulks {
		for _, s := range b.samples {
			ch <- s
		}
	}
}

// format returns the format that a scraper wants.
func format(h http.Header) expfmt.Format {
	return expfmt.NegotiateAccept(h, expfmt.DefaultOpenMetricsAcceptedFormats()...)
}

// write writes the families whose names are among names, or all without any.
func (p *page) write(to io.Writer, as expfmt.Format, created bool, names []string) error {
	var options []expfmt.EncoderOption
	if created {
		options = append(options, expfmt.WithCreatedLines())
	}
	encoder := expfmt.NewEncoder(to, as, options...)
	var w writer
	text := textWriter{to: to}
	bulk := func(b *bulk) error {
		if as.FormatType() == expfmt.TypeTextPlain && text.writes(b) {
			return text.write(b)
		}
		return encoder.Encode(w.family(b))
	}
	wanted := func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	families, bulks := p.families, p.bulks
	for len(families)+len(bulks) > 0 {
		var err error
		if len(bulks) == 0 || len(families) > 0 && families[0].GetName() < bulks[0].family.Name {
			if wanted(families[0].GetName()) {
				err = encoder.Encode(families[0])
			}
			families = families[1:]
		} else {
			if wanted(bulks[0].family.Name) {
				err = bulk(bulks[0])
			}
			bulks = bulks[1:]
		}
		if err != nil {
			return err
		}
	}
	if closer, ok := encoder.(expfmt.Closer); ok {
		return closer.Close() // OpenMetrics has a last line.
	}
	return nil
}

// writer makes one family after the other in the same memory.
type writer struct {
	metrics  []dto.Metric
	pointers []*dto.Metric
}

// family returns a family that is good until the next one is asked for.
func (w *writer) family(b *bulk) *dto.MetricFamily {
	if n := len(b.samples); cap(w.metrics) < n {
		w.metrics, w.pointers = make([]dto.Metric, n), make([]*dto.Metric, n)
		for i := range w.metrics {
			w.pointers[i] = &w.metrics[i]
		}
	}
	f := &dto.MetricFamily{Name: &b.family.Name, Help: &b.family.Help, Metric: w.pointers[:len(b.samples)]}
	switch b.family.Kind {
	case prometheus.GaugeValue:
		f.Type = dto.MetricType_GAUGE.Enum()
	case prometheus.CounterValue:
		f.Type = dto.MetricType_COUNTER.Enum()
	default:
		f.Type = dto.MetricType_UNTYPED.Enum()
	}
	for i, s := range b.samples {
		s.WriteInto(w.pointers[i])
	}
	return f
}
