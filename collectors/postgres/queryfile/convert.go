package queryfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Convert turns a file of sql_exporter, in the form of burningalchemist/sql_exporter
// or of justwatchcom/sql_exporter, into a query file. A query file, as those of
// postgres_exporter are, stays as it is. Notes tell, one each, what could not be
// turned; connection strings are never repeated.
func Convert(name string, content []byte) (file []byte, notes []string, err error) {
	var root struct {
		Metrics    yaml.Node `yaml:"metrics"`
		Collectors yaml.Node `yaml:"collectors"`
		Files      yaml.Node `yaml:"collector_files"`
		Jobs       []struct {
			Queries yaml.Node `yaml:"queries"`
		} `yaml:"jobs"`
	}
	if err := yaml.Unmarshal(content, &root); err != nil {
		if _, parseErr := Parse(name, content); parseErr != nil {
			return nil, nil, parseErr // It says where.
		}
	}
	c := &converter{names: map[string]bool{}}
	switch {
	case slices.ContainsFunc(root.Jobs, func(j struct {
		Queries yaml.Node `yaml:"queries"`
	},
	) bool {
		return !j.Queries.IsZero()
	}):
		err = c.jobs(content)
	case root.Metrics.Kind == yaml.SequenceNode, !root.Collectors.IsZero(), !root.Files.IsZero():
		err = c.collectors(content)
	default:
		_, err = Parse(name, content)
		return content, nil, err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(c.out.Content) == 0 {
		return nil, c.notes, fmt.Errorf("%s: nothing in it is a query", name)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&c.out), encoder.Close()); err != nil {
		return nil, nil, fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := Parse(name, b.Bytes()); err != nil {
		return nil, c.notes, fmt.Errorf("what %s was turned into: %w", name, err)
	}
	return b.Bytes(), c.notes, nil
}

// converter writes the queries of a query file.
type converter struct {
	out   yaml.Node
	names map[string]bool
	notes []string
}

func (c *converter) note(format string, args ...any) {
	if note := fmt.Sprintf(format, args...); !slices.Contains(c.notes, note) {
		c.notes = append(c.notes, note)
	}
}

// others notes the keys that nothing is made of.
func (c *converter) others(what string, keys map[string]yaml.Node, why map[string]string) {
	names := make([]string, 0, len(keys))
	for key := range keys {
		names = append(names, key)
	}
	slices.Sort(names)
	for _, key := range names {
		if reason, known := why[key]; known {
			c.note("%s: %s: %s", what, key, reason)
		} else {
			c.note("%s: %s: there is nothing like it", what, key)
		}
	}
}

// converted is a query and the one metric or more that are made of it.
type converted struct {
	name, sql string
	metrics   []convertedMetric
	settings  map[string]string // keys of the query
}

type convertedMetric struct {
	name, help  string
	usage       Usage
	labels      []string
	static      map[string]string // labels that are the same in each row
	valueLabel  string            // the label with the name of the column
	values      []string
	staticValue string
}

// isPlain reports whether the value is a column of the statement.
func (m *convertedMetric) isPlain() bool {
	return len(m.values) == 1 && m.valueLabel == "" && len(m.static) == 0 && m.staticValue == ""
}

// add writes a query. Metrics that need another statement, or a column that is
// taken, become queries of their own.
func (c *converter) add(q converted) {
	taken := map[string]bool{}
	var plain []convertedMetric
	for _, m := range q.metrics {
		if m.isPlain() && !taken[m.values[0]] && !slices.ContainsFunc(m.labels, func(l string) bool { return taken[l] }) {
			taken[m.values[0]] = true
			plain = append(plain, m)
			continue
		}
		c.write(c.unique(q.name+"_"+m.name), m.statement(q.sql), q.settings, m.turned())
	}
	if len(plain) > 0 {
		c.write(c.unique(q.name), columnsOf(q.sql, plain), q.settings, plain...)
	}
}

// columnsOf wraps a statement so that only the columns of metrics come: others
// would become metrics, too. What shows something cannot be wrapped.
func columnsOf(sql string, metrics []convertedMetric) string {
	if IsShow(sql) {
		return sql
	}
	var columns []string
	for _, m := range metrics {
		for _, name := range append(slices.Clone(m.labels), m.values...) {
			if column := "q." + ident(name); !slices.Contains(columns, column) {
				columns = append(columns, column)
			}
		}
	}
	return "SELECT " + strings.Join(columns, ", ") + "\n" + wrapped(sql)
}

// wrapped returns a statement as a table q.
func wrapped(sql string) string {
	return "FROM (\n" + strings.TrimRight(strings.TrimSpace(sql), "; \n") + "\n) AS q"
}

// statement wraps a statement for this metric: its rows may become several series
// each, or get labels or a value that are not in them.
func (m *convertedMetric) statement(sql string) string {
	if m.isPlain() {
		return columnsOf(sql, []convertedMetric{*m})
	}
	var columns []string
	for _, l := range m.labels {
		columns = append(columns, "q."+ident(l))
	}
	keys := make([]string, 0, len(m.static))
	for key := range m.static {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		columns = append(columns, literal(m.static[key])+" AS "+ident(key))
	}
	from := wrapped(sql)
	switch {
	case m.staticValue != "":
		columns = append(columns, m.staticValue+" AS "+valueColumn)
	case m.valueLabel == "":
		columns = append(columns, "q."+ident(m.values[0])+" AS "+valueColumn)
	default:
		var rows []string
		for _, v := range m.values {
			rows = append(rows, "("+literal(v)+", q."+ident(v)+"::float8)")
		}
		columns = append(columns, "v."+ident(m.valueLabel), "v."+valueColumn)
		from += "\nCROSS JOIN LATERAL (VALUES " + strings.Join(rows, ", ") + ") AS v (" + ident(m.valueLabel) + ", " + valueColumn + ")"
	}
	return "SELECT " + strings.Join(columns, ", ") + "\n" + from
}

// valueColumn is the column of the value in a statement that was wrapped.
const valueColumn = "metric_value"

// turned returns the metric of the wrapped statement.
func (m *convertedMetric) turned() convertedMetric {
	if m.isPlain() {
		return *m
	}
	labels := slices.Clone(m.labels)
	for key := range m.static {
		labels = append(labels, key)
	}
	slices.Sort(labels[len(m.labels):])
	if m.valueLabel != "" {
		labels = append(labels, m.valueLabel)
	}
	return convertedMetric{name: m.name, help: m.help, usage: m.usage, labels: labels, values: []string{valueColumn}}
}

// unique returns a name for a query that no other has.
func (c *converter) unique(name string) string {
	base := strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
	if base == "" || base[0] >= '0' && base[0] <= '9' {
		base = "_" + base
	}
	name = base
	for i := 2; c.names[name]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	c.names[name] = true
	return name
}

// write adds a query to the file.
func (c *converter) write(name, sql string, settings map[string]string, metrics ...convertedMetric) {
	query := &yaml.Node{Kind: yaml.MappingNode}
	put := func(n *yaml.Node, key string, value *yaml.Node) {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
	}
	text := func(s string) *yaml.Node {
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
		if strings.Contains(s, "\n") {
			n.Style = yaml.LiteralStyle
		}
		return n
	}
	put(query, "query", text(strings.TrimSpace(sql)+"\n"))
	for _, key := range []string{"interval", "cache_seconds"} {
		if value := settings[key]; value != "" {
			put(query, key, &yaml.Node{Kind: yaml.ScalarNode, Value: value})
		}
	}
	query.Content = append(query.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "null", Style: yaml.DoubleQuotedStyle}, text(string(NullSkip)))
	put(query, "server_label", &yaml.Node{Kind: yaml.ScalarNode, Value: "false"})
	list := &yaml.Node{Kind: yaml.SequenceNode}
	column := func(name string, keys ...*yaml.Node) {
		value := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: keys}
		item := &yaml.Node{Kind: yaml.MappingNode}
		put(item, name, value)
		list.Content = append(list.Content, item)
	}
	var labels []string
	for _, m := range metrics {
		for _, l := range m.labels {
			if !slices.Contains(labels, l) {
				labels = append(labels, l)
				column(l, text("usage"), text(string(UsageLabel)))
			}
		}
	}
	for _, m := range metrics {
		names := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, l := range m.labels {
			names.Content = append(names.Content, text(l))
		}
		column(m.values[0], text("usage"), text(string(m.usage)), text("name"), text(m.name), text("labels"), names, text("description"), text(m.help))
	}
	put(query, "metrics", list)
	c.out.Kind = yaml.MappingNode
	put(&c.out, name, query)
}

// ident returns a name as an identifier of SQL.
func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal returns a text as a literal of SQL.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
