package postgres

import (
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// newHistogram checks that the arrays of a row are a histogram: as many counts
// as bounds, bounds in order, counts that only grow up to the total.
func newHistogram(bounds, counts []float64, sum, count float64) (*dto.Histogram, bool) {
	if len(bounds) != len(counts) || math.IsNaN(count) || count < 0 {
		return nil, false
	}
	if n := len(bounds); n > 0 && math.IsInf(bounds[n-1], +1) {
		if counts[n-1] != count {
			return nil, false
		}
		bounds, counts = bounds[:n-1], counts[:n-1]
	}
	total := uint64(count)
	h := &dto.Histogram{SampleCount: &total, SampleSum: &sum, Bucket: make([]*dto.Bucket, len(bounds))}
	previous := 0.0
	for i := range bounds {
		ordered := i == 0 || bounds[i-1] < bounds[i]
		if !ordered || math.IsNaN(bounds[i]) || !(counts[i] >= previous) || counts[i] > count {
			return nil, false
		}
		previous = counts[i]
		n := uint64(counts[i])
		h.Bucket[i] = &dto.Bucket{UpperBound: &bounds[i], CumulativeCount: &n}
	}
	return h, true
}

// plus returns the sum of two histograms, or h and false if their bounds differ.
func plus(h, other *dto.Histogram) (*dto.Histogram, bool) {
	if h == nil || !slices.EqualFunc(h.Bucket, other.Bucket, func(a, b *dto.Bucket) bool { return a.GetUpperBound() == b.GetUpperBound() }) {
		return h, false
	}
	count, sum := h.GetSampleCount()+other.GetSampleCount(), h.GetSampleSum()+other.GetSampleSum()
	all := &dto.Histogram{SampleCount: &count, SampleSum: &sum, Bucket: make([]*dto.Bucket, len(h.Bucket))}
	for i, b := range h.Bucket {
		n := b.GetCumulativeCount() + other.Bucket[i].GetCumulativeCount()
		all.Bucket[i] = &dto.Bucket{UpperBound: b.UpperBound, CumulativeCount: &n}
	}
	return all, true
}
