package nginx

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// defaultBuckets hold the thresholds that latency objectives use as boundaries.
var defaultBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 2.5, 5, 10, 30}

// nativeSchema is the resolution of native histograms: 8 buckets a power of two.
const nativeSchema = 3

// nativeZero is the width of the zero bucket in seconds: nginx measures milliseconds.
const nativeZero = 0.0005

// nativeLimit bounds the buckets of one native histogram. Durations between a
// millisecond and an hour need 175; what does not fit joins its neighbour.
const nativeLimit = 200

// histogram counts observations in seconds. Its methods are not safe for concurrent use.
type histogram struct {
	Counts []uint64      `json:"counts"` // per bucket, not cumulative, +Inf last
	Sum    float64       `json:"sum"`
	Native map[int]int64 `json:"native,omitempty"`
	Zero   uint64        `json:"zero,omitempty"`
}

func newHistogram(buckets []float64, native bool) histogram {
	h := histogram{Counts: make([]uint64, len(buckets)+1)}
	if native {
		h.Native = map[int]int64{}
	}
	return h
}

func (h *histogram) observe(buckets []float64, v float64) {
	i := 0
	for i < len(buckets) && v > buckets[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += v
	if h.Native == nil {
		return
	}
	if v <= nativeZero {
		h.Zero++
		return
	}
	key := int(math.Ceil(math.Log2(v) * (1 << nativeSchema)))
	if _, ok := h.Native[key]; !ok && len(h.Native) >= nativeLimit {
		key = h.nearest(key)
	}
	h.Native[key]++
}

// nearest returns the existing native bucket that is closest to key.
func (h *histogram) nearest(key int) int {
	best, distance := key, math.MaxInt
	for k := range h.Native {
		if d := max(k-key, key-k); d < distance || d == distance && k < best {
			best, distance = k, d
		}
	}
	return best
}

func (h *histogram) clone() histogram {
	c := *h
	c.Counts = append([]uint64(nil), h.Counts...)
	if h.Native != nil {
		c.Native = make(map[int]int64, len(h.Native))
		for k, v := range h.Native {
			c.Native[k] = v
		}
	}
	return c
}

// proto returns h with its classic buckets and, when they were kept, its native
// ones beside them.
func (h *histogram) proto(buckets []float64, created time.Time) *dto.Histogram {
	var count uint64
	cumulative := make(map[float64]uint64, len(buckets))
	for i, n := range h.Counts {
		count += n
		if i < len(buckets) {
			cumulative[buckets[i]] = count
		}
	}
	classic := collect.Buckets(count, h.Sum, cumulative, created)
	if h.Native == nil {
		return classic
	}
	var native dto.Metric
	m, err := prometheus.NewConstNativeHistogram(nativeDesc, count, h.Sum, h.Native, nil, h.Zero, nativeSchema, nativeZero, created)
	if err != nil || m.Write(&native) != nil {
		return classic
	}
	native.Histogram.Bucket = classic.Bucket
	return native.Histogram
}

// nativeDesc is only for the encoding of native buckets.
var nativeDesc = prometheus.NewDesc("native", "", nil, nil)
