package reportfiles

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// history are counters over days. Its zero value is empty. Days come in order.
type history struct {
	families map[string]*counters
	last     day
}

// counters is one family of counters.
type counters struct {
	help   string
	series map[string][]point // by labels
}

// point is a value that a counter has from a day on.
type point struct {
	day   day
	value float64
}

// add notes the counters of a family at the end of a day.
func (h *history) add(d day, family *dto.MetricFamily) {
	if h.families == nil {
		h.families = map[string]*counters{}
	}
	h.last = d
	c := h.families[family.GetName()]
	if c == nil {
		c = &counters{help: family.GetHelp(), series: map[string][]point{}}
		h.families[family.GetName()] = c
	}
	for _, m := range family.GetMetric() {
		labels, value := labelText(m.GetLabel()), m.GetCounter().GetValue()
		points := c.series[labels]
		if len(points) == 0 || points[len(points)-1].value != value {
			c.series[labels] = append(points, point{d, value})
		}
	}
}

// labelText writes labels as OpenMetrics does.
func labelText(labels []*dto.LabelPair) string {
	if len(labels) == 0 {
		return ""
	}
	var parts []string
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	for _, l := range labels {
		parts = append(parts, l.GetName()+`="`+escape.Replace(l.GetValue())+`"`)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// write writes OpenMetrics text: each counter at the end of each day, from 0 at
// the end of the day before it began, so that increase sees its first reports.
func (h *history) write(w io.Writer) error {
	for _, name := range slices.Sorted(maps.Keys(h.families)) {
		c := h.families[name]
		base := strings.TrimSuffix(name, "_total")
		if _, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s counter\n", base, c.help, base); err != nil {
			return err
		}
		for _, labels := range slices.Sorted(maps.Keys(c.series)) {
			if err := h.writeSeries(w, name+labels, c.series[labels]); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintln(w, "# EOF")
	return err
}

func (h *history) writeSeries(w io.Writer, series string, points []point) error {
	value := 0.0
	for d := points[0].day - 1; d <= h.last; d++ {
		if len(points) > 0 && points[0].day == d {
			value, points = points[0].value, points[1:]
		}
		if _, err := fmt.Fprintf(w, "%s %s %d\n", series, strconv.FormatFloat(value, 'f', -1, 64), d.end().Unix()); err != nil {
			return err
		}
	}
	return nil
}
