package collect

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Output collects the samples of one scrape. Its zero value is empty; it is for
// one goroutine at a time.
type Output struct {
	samples []*Sample

	// The free rest of the current blocks, so that a sample costs no allocation
	// of its own.
	free   []Sample
	pairs  []dto.LabelPair
	labels []*dto.LabelPair
	values []string // of pairs
}

// block is how many things an Output allocates at once.
const block = 256

// take returns the next element of a block, of which it makes a new one if the
// last is used up.
func take[T any](rest *[]T) *T {
	if len(*rest) == 0 {
		*rest = make([]T, block)
	}
	one := &(*rest)[0]
	*rest = (*rest)[1:]
	return one
}

// Add adds a value. The labels are the values of the family's labels, in their
// order; bytes that are not UTF-8 are replaced.
func (o *Output) Add(f *Family, value float64, labels ...string) { o.add(f, labels).Value = value }

// Flag adds 1 or 0.
func (o *Output) Flag(f *Family, is bool, labels ...string) {
	if is {
		o.Add(f, 1, labels...)
	} else {
		o.Add(f, 0, labels...)
	}
}

// Since adds the value of a counter that began at a time.
func (o *Output) Since(f *Family, value float64, created time.Time, labels ...string) {
	s := o.add(f, labels)
	s.Value, s.Created = value, created
}

// Histogram adds a histogram.
func (o *Output) Histogram(f *Family, h *dto.Histogram, labels ...string) {
	o.add(f, labels).Histogram = h
}

// Summary adds a summary.
func (o *Output) Summary(f *Family, count uint64, sum float64, quantiles map[float64]float64, labels ...string) {
	s := &dto.Summary{SampleCount: &count, SampleSum: &sum}
	for q, value := range quantiles {
		s.Quantile = append(s.Quantile, &dto.Quantile{Quantile: &q, Value: &value})
	}
	slices.SortFunc(s.Quantile, func(a, b *dto.Quantile) int { return cmp.Compare(a.GetQuantile(), b.GetQuantile()) })
	o.add(f, labels).Summary = s
}

// Samples returns what has been added.
func (o *Output) Samples() []*Sample { return o.samples }

// Join adds the samples of another output.
func (o *Output) Join(other *Output) { o.samples = append(o.samples, other.samples...) }

// Send sends what has been added.
func (o *Output) Send(ch chan<- prometheus.Metric) {
	for _, s := range o.samples {
		ch <- s
	}
}

func (o *Output) add(f *Family, values []string) *Sample {
	s := take(&o.free)
	s.Family, s.Labels = f, o.label(f, values)
	o.samples = append(o.samples, s)
	return s
}

// label makes the label pairs of a sample.
func (o *Output) label(f *Family, values []string) []*dto.LabelPair {
	n := len(f.pairs)
	if n == 0 {
		return nil
	}
	if len(o.labels) < n {
		o.labels = make([]*dto.LabelPair, block+n)
	}
	labels := o.labels[:n:n]
	o.labels = o.labels[n:]
	for i := range labels {
		p := &f.pairs[i]
		labels[i] = take(&o.pairs)
		labels[i].Name, labels[i].Value = &p.name, &p.value
		if p.from >= 0 {
			labels[i].Value = take(&o.values)
			*labels[i].Value = strings.ToValidUTF8(values[p.from], "\uFFFD")
		}
	}
	return labels
}

// Buckets returns a classic histogram with cumulative buckets by their upper
// bounds, of which the infinite one may be left out. It began at a time that is
// left out if it is zero.
func Buckets(count uint64, sum float64, buckets map[float64]uint64, created time.Time) *dto.Histogram {
	h := &dto.Histogram{SampleCount: &count, SampleSum: &sum}
	if !created.IsZero() {
		h.CreatedTimestamp = timestamppb.New(created)
	}
	for bound, n := range buckets {
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: &bound, CumulativeCount: &n})
	}
	slices.SortFunc(h.Bucket, func(a, b *dto.Bucket) int { return cmp.Compare(a.GetUpperBound(), b.GetUpperBound()) })
	return h
}
