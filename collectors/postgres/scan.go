package postgres

import (
	"bytes"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// maxLabel bounds the length of a label value in bytes.
const maxLabel = 1024

// problems counts what was wrong with the rows of one run.
type problems map[Reason]int

// scanner turns the rows of one run of a query into samples.
type scanner struct {
	layout   *layout
	seed     maphash.Seed
	seen     map[uint64]struct{}
	samples  []sample
	problems problems
	constant []*dto.LabelPair // of settings, made once
}

func newScanner(l *layout, seed maphash.Seed) *scanner {
	return &scanner{layout: l, seed: seed, seen: map[uint64]struct{}{}, problems: maps.Clone(l.flaws), samples: make([]sample, 0, l.expected.Load())}
}

// rowLabels are the labels of one set for the row at hand.
type rowLabels struct {
	pairs     []*dto.LabelPair
	known     bool // computed for this row
	duplicate bool
}

// row adds the samples of one row.
func (s *scanner) row(values [][]byte) {
	if s.layout.settings != nil {
		s.layout.settings.decode(s, values)
		return
	}
	if s.layout.keys != nil {
		s.key(values)
		return
	}
	if s.layout.count != nil {
		s.count(values)
	}
	var small [4]rowLabels
	labels := small[:0]
	if n := len(s.layout.sets); n > len(small) {
		labels = make([]rowLabels, 0, n)
	}
	labels = labels[:len(s.layout.sets)]
	for i := range s.layout.values {
		v := &s.layout.values[i]
		one := sample{Sample: collect.Sample{Family: v.family}, shared: v.shared}
		if !s.value(v, values, &one) {
			continue
		}
		set := &labels[v.set]
		if !set.known {
			s.label(v.set, values, set)
		}
		if set.duplicate {
			continue
		}
		one.Labels = set.pairs
		s.samples = append(s.samples, one)
	}
}

// key adds the sample of a row that is a name and a number.
func (s *scanner) key(values [][]byte) {
	if len(values) < 2 {
		s.problems[ReasonColumn]++
		return
	}
	family := s.layout.keys[string(values[0])]
	if family == nil {
		return // others that are not shown
	}
	value, err := strconv.ParseFloat(string(values[1]), 64)
	if err != nil {
		s.problems[ReasonValue]++
		return
	}
	s.samples = append(s.samples, sample{Sample: collect.Sample{Family: family, Value: value, Labels: s.constantLabels()}})
}

// count adds a row to the sample of its labels.
func (s *scanner) count(values [][]byte) {
	var set rowLabels
	s.label(0, values, &set)
	if !set.duplicate {
		s.samples = append(s.samples, sample{Sample: collect.Sample{Family: s.layout.count, Value: 1, Labels: set.pairs}})
		return
	}
	s.problems[ReasonDuplicate]-- // It is what is counted.
	for i := range s.samples {
		if slices.EqualFunc(s.samples[i].Labels, set.pairs, func(a, b *dto.LabelPair) bool { return a.GetValue() == b.GetValue() }) {
			s.samples[i].Value++
			return
		}
	}
}

// label computes the labels of a set and finds out whether an earlier row had
// the same. The row counts once, however many metrics it has.
func (s *scanner) label(index int, values [][]byte, out *rowLabels) {
	set := &s.layout.sets[index]
	n := len(set.labels)
	texts := make([]string, n)
	pairs := make([]dto.LabelPair, n)
	out.known, out.pairs = true, make([]*dto.LabelPair, n)
	var hash maphash.Hash
	hash.SetSeed(s.seed)
	_ = hash.WriteByte(byte(index))
	for i := range set.labels {
		l := &set.labels[i]
		texts[i] = l.value
		if l.column >= 0 {
			texts[i] = s.text(values[l.column])
		}
		_, _ = hash.WriteString(texts[i])
		_ = hash.WriteByte(0xff) // never part of valid UTF-8
		pairs[i].Name, pairs[i].Value = &l.name, &texts[i]
		out.pairs[i] = &pairs[i]
	}
	sum := hash.Sum64()
	if _, out.duplicate = s.seen[sum]; out.duplicate {
		s.problems[ReasonDuplicate]++
		return
	}
	s.seen[sum] = struct{}{}
}

// constantLabels returns the labels of the first set, which for settings are
// constants.
func (s *scanner) constantLabels() []*dto.LabelPair {
	if s.constant == nil {
		labels := s.layout.sets[0].labels
		s.constant = make([]*dto.LabelPair, len(labels))
		for i := range labels {
			s.constant[i] = &dto.LabelPair{Name: &labels[i].name, Value: &labels[i].value}
		}
	}
	return s.constant
}

// text makes a label value: NULL is the empty text.
func (s *scanner) text(b []byte) string {
	if len(b) > maxLabel {
		s.problems[ReasonTruncated]++
		cut := maxLabel
		for cut > maxLabel-utf8.UTFMax && !utf8.RuneStart(b[cut]) {
			cut--
		}
		b = b[:cut]
	}
	if !utf8.Valid(b) {
		s.problems[ReasonUTF8]++
		b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	return string(b)
}

// value converts a column and reports whether there is a sample.
func (s *scanner) value(v *valueColumn, values [][]byte, out *sample) bool {
	if v.declared.Usage == queryfile.UsageHistogram {
		return s.histogram(v, values, out)
	}
	text := values[v.column]
	if text == nil {
		return s.null(v, out)
	}
	var err error
	switch v.declared.Usage {
	case queryfile.UsageMapped:
		mapped, known := v.declared.Mapping[string(text)]
		if !known {
			err = errNoNumber
		}
		out.Value = mapped
	case queryfile.UsageDuration:
		out.Value, err = parseMilliseconds(v.oid, text)
	default:
		out.Value, err = parseValue(v.oid, text)
	}
	if err != nil {
		s.problems[ReasonValue]++
		return false
	}
	if v.declared.Factor != 0 {
		out.Value *= v.declared.Factor
	}
	return true
}

func (s *scanner) null(v *valueColumn, out *sample) bool {
	switch v.null {
	case queryfile.NullZero:
		out.Value = 0
		return true
	case queryfile.NullNaN:
		out.Value = math.NaN()
		return true
	}
	if v.countNull {
		s.problems[ReasonNull]++
	}
	return false
}

func (s *scanner) histogram(v *valueColumn, values [][]byte, out *sample) bool {
	for _, column := range []int{v.column, v.bucket, v.sum, v.count} {
		if values[column] == nil {
			if v.countNull {
				s.problems[ReasonNull]++
			}
			return false
		}
	}
	bounds, err1 := parseArray(values[v.column])
	counts, err2 := parseArray(values[v.bucket])
	sum, err3 := parseValue(s.layout.fields[v.sum].OID, values[v.sum])
	count, err4 := parseValue(s.layout.fields[v.count].OID, values[v.count])
	if slices.ContainsFunc([]error{err1, err2, err3, err4}, func(err error) bool { return err != nil }) {
		s.problems[ReasonValue]++
		return false
	}
	h, ok := newHistogram(bounds, counts, sum, count)
	if !ok {
		s.problems[ReasonValue]++
		return false
	}
	out.Histogram = h
	return true
}
