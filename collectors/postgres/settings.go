package postgres

import (
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// settingUnits are the units of pg_settings, and what they are in the base
// unit that is part of the metric's name.
var settingUnits = map[string]struct {
	suffix string
	factor float64
}{
	"":     {"", 1},
	"us":   {"_seconds", 1e-6},
	"ms":   {"_seconds", 1e-3},
	"s":    {"_seconds", 1},
	"min":  {"_seconds", 60},
	"h":    {"_seconds", 3600},
	"d":    {"_seconds", 86400},
	"B":    {"_bytes", 1},
	"kB":   {"_bytes", 1 << 10},
	"4kB":  {"_bytes", 4 << 10},
	"8kB":  {"_bytes", 8 << 10},
	"16kB": {"_bytes", 16 << 10},
	"32kB": {"_bytes", 32 << 10},
	"64kB": {"_bytes", 64 << 10},
	"MB":   {"_bytes", 1 << 20},
	"16MB": {"_bytes", 16 << 20},
	"32MB": {"_bytes", 32 << 20},
	"64MB": {"_bytes", 64 << 20},
	"GB":   {"_bytes", 1 << 30},
	"TB":   {"_bytes", 1 << 40},
}

// settings makes a metric of each row of pg_settings: its columns are name,
// setting and unit. It remembers the metrics it has made.
type settings struct {
	mu       sync.Mutex
	families map[string]*collect.Family
}

// decode adds the sample of a row.
func (d *settings) decode(s *scanner, values [][]byte) {
	if len(values) != 3 {
		s.problems[ReasonColumn]++
		return
	}
	name, setting := string(values[0]), string(values[1])
	unit, known := settingUnits[string(values[2])]
	if !known {
		s.problems[ReasonValue]++
		return
	}
	one := sample{Sample: collect.Sample{Family: d.family(name, unit.suffix, s.layout)}}
	switch setting {
	case "on":
		one.Value = 1
	case "off":
	default:
		f, err := strconv.ParseFloat(setting, 64)
		if err != nil {
			s.problems[ReasonValue]++
			return
		}
		if f > 0 { // -1 stands for a default or for "off".
			f *= unit.factor
		}
		one.Value = f
	}
	one.Labels = s.constantLabels()
	s.samples = append(s.samples, one)
}

func (d *settings) family(name, suffix string, l *layout) *collect.Family {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.families[name]; f != nil {
		return f
	}
	metric := "pg_settings_" + strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name) + suffix
	f := collect.NewFamily(prometheus.GaugeValue, metric, "Server parameter "+name+".", l.labelNames(0), nil)
	if d.families == nil {
		d.families = map[string]*collect.Family{}
	}
	d.families[name] = f
	return f
}
