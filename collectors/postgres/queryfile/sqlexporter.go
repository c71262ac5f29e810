package queryfile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// collectorFile is what a file of burningalchemist/sql_exporter can have: a
// collector, or collectors beside how to connect.
type collectorFile struct {
	sqlCollector `yaml:",inline"`

	Collectors []sqlCollector `yaml:"collectors"`
	Files      []string       `yaml:"collector_files"`
	Global     struct {
		MinInterval string               `yaml:"min_interval"`
		Others      map[string]yaml.Node `yaml:",inline"`
	} `yaml:"global"`
	Others map[string]yaml.Node `yaml:",inline"`
}

type sqlCollector struct {
	Name        string      `yaml:"collector_name"`
	MinInterval string      `yaml:"min_interval"`
	Metrics     []sqlMetric `yaml:"metrics"`
	Queries     []struct {
		Name   string               `yaml:"query_name"`
		Query  string               `yaml:"query"`
		Others map[string]yaml.Node `yaml:",inline"`
	} `yaml:"queries"`
}

type sqlMetric struct {
	Name         string               `yaml:"metric_name"`
	Type         string               `yaml:"type"`
	Help         string               `yaml:"help"`
	KeyLabels    []string             `yaml:"key_labels"`
	StaticLabels map[string]string    `yaml:"static_labels"`
	ValueLabel   string               `yaml:"value_label"`
	Values       []string             `yaml:"values"`
	StaticValue  *float64             `yaml:"static_value"`
	Query        string               `yaml:"query"`
	QueryRef     string               `yaml:"query_ref"`
	Others       map[string]yaml.Node `yaml:",inline"`
}

var (
	errNoQuery      = errors.New("it has no query")
	errNoValues     = errors.New("it has no values")
	errNoValueLabel = errors.New("it has several values and no value_label")
)

const (
	connectsElsewhere = "connections are DATA_SOURCE_NAME, or data_sources in the file of --config.file"
	scrapeTimes       = "a scrape has the timeout that Prometheus sends; sessions are kept and are few"
)

// whyNot says what there is instead of keys of sql_exporter.
var whyNot = map[string]string{
	"target": connectsElsewhere, "targets": connectsElsewhere, "jobs": connectsElsewhere, "connections": connectsElsewhere,
	"scrape_timeout": scrapeTimes, "scrape_timeout_offset": scrapeTimes, "max_connections": scrapeTimes, "max_idle_connections": scrapeTimes,
	"max_connection_lifetime": scrapeTimes, "iterator": "one query for each would be needed", "keepalive": scrapeTimes,
	"timestamp_value": "samples have no timestamps of their own", "timestamp": "samples have no timestamps of their own",
	"no_prepared_statement": "not needed; --postgres.simple-protocol is for all queries",
	"startup_sql":           "sessions have settings of their own, others go into the connection string",
	"cloudsql_config":       connectsElsewhere, "allow_zero_rows": "a query without rows is no error",
}

// collectors turns a file of burningalchemist/sql_exporter.
func (c *converter) collectors(content []byte) error {
	var f collectorFile
	if err := yaml.Unmarshal(content, &f); err != nil {
		return err
	}
	if len(f.Metrics) > 0 {
		f.Collectors = append(f.Collectors, f.sqlCollector)
	}
	for _, s := range f.Collectors {
		if s.MinInterval == "" {
			s.MinInterval = f.Global.MinInterval
		}
		c.collector(s)
	}
	for _, file := range f.Files {
		c.note("collector_files: %s: convert it, too", file)
	}
	c.others("global", f.Global.Others, whyNot)
	c.others("the file", f.Others, whyNot)
	return nil
}

func (c *converter) collector(s sqlCollector) {
	what := "collector " + s.Name
	settings := map[string]string{}
	if s.MinInterval != "" {
		interval, err := time.ParseDuration(s.MinInterval)
		if err != nil {
			c.note("%s: min_interval: %q is not a duration", what, s.MinInterval)
		} else if interval > 0 {
			settings["cache_seconds"] = strconv.Itoa(int((interval + time.Second - 1) / time.Second))
		}
	}
	shared := map[string]*converted{}
	var order []*converted
	for _, q := range s.Queries {
		c.others(what+", query "+q.Name, q.Others, whyNot)
		shared[q.Name] = &converted{name: s.Name + "_" + q.Name, sql: q.Query, settings: settings}
		order = append(order, shared[q.Name])
	}
	for _, m := range s.Metrics {
		metric, err := m.turn()
		q := shared[m.QueryRef]
		switch {
		case err == nil && m.QueryRef != "" && q == nil:
			err = fmt.Errorf("query_ref: there is no query %q", m.QueryRef)
		case err == nil && m.QueryRef == "" && m.Query == "":
			err = errNoQuery
		}
		if err != nil {
			c.note("%s, metric %s: %v", what, m.Name, err)
			continue
		}
		c.others(what+", metric "+m.Name, m.Others, whyNot)
		if m.QueryRef == "" {
			q = &converted{name: m.Name, sql: m.Query, settings: settings}
			order = append(order, q)
		}
		q.metrics = append(q.metrics, metric)
	}
	for _, q := range order {
		if len(q.metrics) == 0 {
			c.note("%s: query %s: no metric is made of it", what, strings.TrimPrefix(q.name, s.Name+"_"))
			continue
		}
		c.add(*q)
	}
}

// turn returns the metric as ours.
func (m *sqlMetric) turn() (convertedMetric, error) {
	usage := map[string]Usage{"gauge": UsageGauge, "counter": UsageCounter}[strings.ToLower(m.Type)]
	out := convertedMetric{name: m.Name, help: m.Help, usage: usage, labels: m.KeyLabels, static: m.StaticLabels, valueLabel: m.ValueLabel, values: m.Values}
	switch {
	case !IsMetricName(m.Name):
		return out, fmt.Errorf("%q is not a name", m.Name)
	case usage == "":
		return out, fmt.Errorf("type %q is neither gauge nor counter", m.Type)
	case m.StaticValue != nil:
		out.staticValue = strconv.FormatFloat(*m.StaticValue, 'g', -1, 64)
	case len(m.Values) == 0:
		return out, errNoValues
	case len(m.Values) > 1 && m.ValueLabel == "":
		return out, errNoValueLabel
	case len(m.Values) == 1:
		out.valueLabel = "" // It tells several apart.
	}
	return out, nil
}

// jobs turns a file of justwatchcom/sql_exporter, whose metrics are gauges named
// sql_ and the query, with a label for the column.
func (c *converter) jobs(content []byte) error {
	var f struct {
		Jobs []struct {
			Name     string `yaml:"name"`
			Interval string `yaml:"interval"`
			Queries  []struct {
				Name     string               `yaml:"name"`
				Help     string               `yaml:"help"`
				Type     string               `yaml:"type"`
				Labels   []string             `yaml:"labels"`
				Values   []string             `yaml:"values"`
				Query    string               `yaml:"query"`
				QueryRef string               `yaml:"query_ref"`
				Others   map[string]yaml.Node `yaml:",inline"`
			} `yaml:"queries"`
			Others map[string]yaml.Node `yaml:",inline"`
		} `yaml:"jobs"`
		Queries map[string]string    `yaml:"queries"`
		Others  map[string]yaml.Node `yaml:",inline"`
	}
	if err := yaml.Unmarshal(content, &f); err != nil {
		return err
	}
	for _, j := range f.Jobs {
		what := "job " + j.Name
		settings := map[string]string{}
		if interval, err := time.ParseDuration(j.Interval); err == nil && interval > 0 {
			settings["interval"] = j.Interval
		} else if j.Interval != "" && err != nil {
			c.note("%s: interval: %q is not a duration", what, j.Interval)
		}
		for _, q := range j.Queries {
			sql := q.Query
			if q.QueryRef != "" {
				sql = f.Queries[q.QueryRef]
			}
			m := sqlMetric{Name: "sql_" + q.Name, Type: "gauge", Help: q.Help, KeyLabels: q.Labels, Values: q.Values}
			if q.Type != "" {
				m.Type = q.Type
			}
			if len(q.Values) > 1 {
				m.ValueLabel = "col"
			}
			metric, err := m.turn()
			if err == nil && sql == "" {
				err = errNoQuery
			}
			if err != nil {
				c.note("%s, query %s: %v", what, q.Name, err)
				continue
			}
			metric.valueLabel, metric.static = "col", map[string]string{"sql_job": j.Name}
			c.others(what+", query "+q.Name, q.Others, whyNot)
			c.add(converted{name: q.Name, sql: sql, settings: settings, metrics: []convertedMetric{metric}})
			c.note("the labels driver, host, database and user are left out; with several servers there is a label server")
		}
		c.others(what, j.Others, whyNot)
	}
	c.others("the file", f.Others, whyNot)
	return nil
}
