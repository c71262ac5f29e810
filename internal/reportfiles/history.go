package reportfiles

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// history is counters and gauges over time. Times are in steps since 1970.
type history struct {
	step     int64 // seconds
	labels   []*dto.LabelPair
	counters map[string]*metric
	gauges   map[string]*metric
	last     int64 // the end
}

// metric is one family.
type metric struct {
	help   string
	series map[string]*series // by labels
}

// series is a counter that grows, or a gauge that jumps.
type series struct {
	total  float64
	ramps  []ramp
	points []gaugePoint
}

// ramp is how much a counter grows evenly between two times.
type ramp struct {
	begin, end int64
	amount     float64
}

// gaugePoint is a value that a gauge has from a time on; gone says that it has none.
type gaugePoint struct {
	at    int64
	value float64
	gone  bool
}

func newHistory(step int64, labels []*dto.LabelPair) *history {
	return &history{step: step, labels: labels, counters: map[string]*metric{}, gauges: map[string]*metric{}}
}

func (h *history) series(families map[string]*metric, family *dto.MetricFamily, m *dto.Metric) *series {
	f := families[family.GetName()]
	if f == nil {
		f = &metric{help: family.GetHelp(), series: map[string]*series{}}
		families[family.GetName()] = f
	}
	labels := labelText(append(slices.Clone(m.GetLabel()), h.labels...))
	s := f.series[labels]
	if s == nil {
		s = &series{}
		f.series[labels] = s
	}
	return s
}

// grow notes that the counters of a family grew to what they are, between two times.
func (h *history) grow(family *dto.MetricFamily, begin, end int64) {
	h.last = max(h.last, end)
	for _, m := range family.GetMetric() {
		s := h.series(h.counters, family, m)
		if grown := m.GetCounter().GetValue() - s.total; grown > 0 || s.ramps == nil {
			s.ramps = append(s.ramps, ramp{begin, end, grown})
			s.total = m.GetCounter().GetValue()
		}
	}
}

// jump notes the gauges of a family at a time.
func (h *history) jump(family *dto.MetricFamily, at int64) {
	h.last = max(h.last, at)
	there := map[*series]bool{}
	for _, m := range family.GetMetric() {
		s := h.series(h.gauges, family, m)
		there[s] = true
		s.points = append(s.points, gaugePoint{at: at, value: m.GetGauge().GetValue()})
	}
	for _, s := range h.gauges[family.GetName()].series {
		if n := len(s.points); !there[s] && n > 0 && !s.points[n-1].gone {
			s.points = append(s.points, gaugePoint{at: at, gone: true})
		}
	}
}

// labelText writes labels as OpenMetrics does.
func labelText(labels []*dto.LabelPair) string {
	if len(labels) == 0 {
		return ""
	}
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
	var parts []string
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	for _, l := range labels {
		parts = append(parts, l.GetName()+`="`+escape.Replace(l.GetValue())+`"`)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// write writes OpenMetrics text: a sample of each series at each step. Counters
// begin with 0, so that increase sees what comes first.
func (h *history) write(w io.Writer) error {
	for _, kind := range []struct {
		name     string
		families map[string]*metric
		write    func(w io.Writer, name string, s *series) error
	}{{"counter", h.counters, h.writeCounter}, {"gauge", h.gauges, h.writeGauge}} {
		for _, name := range slices.Sorted(maps.Keys(kind.families)) {
			f := kind.families[name]
			base := name
			if kind.name == "counter" {
				base = strings.TrimSuffix(name, "_total")
			}
			if _, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", base, f.help, base, kind.name); err != nil {
				return err
			}
			for _, labels := range slices.Sorted(maps.Keys(f.series)) {
				if err := kind.write(w, name+labels, f.series[labels]); err != nil {
					return err
				}
			}
		}
	}
	_, err := fmt.Fprintln(w, "# EOF")
	return err
}

func (h *history) sample(w io.Writer, name string, value float64, at int64) error {
	_, err := fmt.Fprintf(w, "%s %s %d\n", name, strconv.FormatFloat(value, 'f', -1, 64), at*h.step)
	return err
}

func (h *history) writeCounter(w io.Writer, name string, s *series) error {
	slices.SortStableFunc(s.ramps, func(a, b ramp) int { return cmp.Compare(a.begin, b.begin) })
	rest, active, done := s.ramps, []ramp(nil), 0.0
	for at := s.ramps[0].begin - 1; at <= h.last; at++ {
		for len(rest) > 0 && rest[0].begin <= at {
			active, rest = append(active, rest[0]), rest[1:]
		}
		value := 0.0
		active = slices.DeleteFunc(active, func(r ramp) bool {
			if r.end <= at {
				done += r.amount
				return true
			}
			value += r.amount * float64(at-r.begin) / float64(r.end-r.begin)
			return false
		})
		if err := h.sample(w, name, done+value, at); err != nil {
			return err
		}
	}
	return nil
}

func (h *history) writeGauge(w io.Writer, name string, s *series) error {
	for i, p := range s.points {
		end := h.last + 1
		if i+1 < len(s.points) {
			end = s.points[i+1].at
		}
		for at := p.at; at < end && !p.gone; at++ {
			if err := h.sample(w, name, p.value, at); err != nil {
				return err
			}
		}
	}
	return nil
}
