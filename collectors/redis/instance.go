package redis

import (
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// instanceMetrics are about what the server is.
type instanceMetrics struct {
	instance                  [1 << 3]*collect.Family // by the bits of optionalLabels
	server, startTime, module *collect.Family
}

// optionalLabels are labels of redis_instance_info that it has if INFO has
// them.
var optionalLabels = []string{"valkey_version", "valkey_release_stage", "availability_zone"}

func newInstanceMetrics(t *collect.Families) instanceMetrics {
	m := instanceMetrics{
		server:    t.Gauge("server_info", "Constant 1, labelled with the product and its version.", "product", "version"),
		startTime: t.Gauge("start_time_seconds", "Time the server started."),
		module: t.Gauge("module_info", "Constant 1, labelled with a loaded module.",
			"api", "filters", "name", "usedby", "using", "ver"),
	}
	m.instance[0] = t.Gauge("instance_info", "Constant 1, labelled with what identifies the server.",
		"master_replid", "maxmemory_policy", "os", "process_id", "redis_build_id", "redis_mode", "redis_version", "role", "run_id", "tcp_port")
	for bits := 1; bits < len(m.instance); bits++ {
		var labels []string
		for i, label := range optionalLabels {
			if bits&(1<<i) != 0 {
				labels = append(labels, label)
			}
		}
		m.instance[bits] = t.WithLabels(m.instance[0], labels...)
	}
	return m
}

// write writes what INFO has about the server and its modules.
func (m *instanceMetrics) write(s *scrape) {
	m.start(s)
	s.Add(m.server, 1, s.facts.flavour, s.facts.version)
	bits := 0
	for i, label := range optionalLabels {
		if s.info.get(label) != "" {
			bits |= 1 << i
		}
	}
	instance := m.instance[bits]
	values := make([]string, len(instance.Labels))
	for i, label := range instance.Labels {
		values[i] = s.info.get(label)
		if label == "redis_mode" {
			values[i] = modeOf(s.info)
		}
	}
	s.Add(instance, 1, values...)
	for _, line := range s.info {
		if line.key == "module" {
			m.loaded(s, line.value)
		}
	}
}

// start writes when the server started, by its own clock if INFO has that.
func (m *instanceMetrics) start(s *scrape) {
	uptime, err := strconv.ParseInt(s.info.get("uptime_in_seconds"), 10, 64)
	if err != nil {
		return
	}
	now := s.now.Unix()
	if usec, err := strconv.ParseInt(s.info.get("server_time_usec"), 10, 64); err == nil {
		now = usec / int64(time.Second/time.Microsecond)
	}
	s.Add(m.startTime, float64(now-uptime))
}

// loaded writes a line like name=search,ver=20612,api=1,filters=0,usedby=[],using=[],options=[].
func (m *instanceMetrics) loaded(s *scrape, value string) {
	values := make([]string, len(m.module.Labels))
	for k, v := range pairs(value) {
		for i, label := range m.module.Labels {
			if label == k {
				values[i] = strings.Trim(v, "[]")
			}
		}
	}
	s.Add(m.module, 1, values...)
}
