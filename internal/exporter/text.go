package exporter

import (
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
)

// textWriter writes bulks in the text format of Prometheus. The labels of a row are
// made once for all of its metrics.
type textWriter struct {
	to     io.Writer
	buffer []byte
	labels [][]*dto.LabelPair // of the samples of the last bulk
	texts  []string           // theirs, with braces
}

// flushed is how many bytes are written at once.
const flushed = 32 << 10

// writes reports whether the names of a metric need no quotes.
func (w *textWriter) writes(b *bulk) bool {
	if !model.LegacyValidation.IsValidMetricName(b.family.Name) {
		return false
	}
	for _, l := range b.samples[0].Labels {
		if !model.LegacyValidation.IsValidLabelName(l.GetName()) {
			return false
		}
	}
	return true
}

var helpEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`)

// write writes a bulk.
func (w *textWriter) write(b *bulk) error {
	name := b.family.Name
	out := append(w.buffer[:0], "# HELP "+name+" "+helpEscapes.Replace(b.family.Help)+"\n# TYPE "+name+" "...)
	switch b.family.Kind {
	case prometheus.GaugeValue:
		out = append(out, "gauge\n"...)
	case prometheus.CounterValue:
		out = append(out, "counter\n"...)
	default:
		out = append(out, "untyped\n"...)
	}
	if len(w.labels) < len(b.samples) {
		more := len(b.samples) - len(w.labels)
		w.labels, w.texts = append(w.labels, make([][]*dto.LabelPair, more)...), append(w.texts, make([]string, more)...)
	}
	for i, s := range b.samples {
		out = append(out, name...)
		if len(s.Labels) > 0 {
			if !same(w.labels[i], s.Labels) {
				w.labels[i], w.texts[i] = s.Labels, labelText(s.Labels)
			}
			out = append(out, w.texts[i]...)
		}
		out = append(appendNumber(append(out, ' '), s.Value), '\n')
		if len(out) > flushed {
			if _, err := w.to.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	_, err := w.to.Write(out)
	w.buffer = out
	return err
}

// same reports whether two lists are one in memory.
func same(a, b []*dto.LabelPair) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

// labelText returns labels as they are behind the name of a metric.
func labelText(labels []*dto.LabelPair) string {
	out := []byte{'{'}
	for i, l := range labels {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, l.GetName()...), `="`...)
		value := l.GetValue()
		if strings.ContainsAny(value, "\\\n\"") {
			value = strings.ReplaceAll(helpEscapes.Replace(value), `"`, `\"`)
		}
		out = append(append(out, value...), '"')
	}
	return string(append(out, '}'))
}

// appendNumber appends a value.
func appendNumber(out []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(out, "+Inf"...)
	case f == math.Trunc(f) && math.Abs(f) < 1e6:
		return strconv.AppendInt(out, int64(f), 10)
	}
	return strconv.AppendFloat(out, f, 'g', -1, 64)
}
