package postgres

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

var columnKeys = []string{"usage", "description", "metric_mapping", "pg_version", "name", "labels", "null"}

// columns reads the list under metrics: each item maps column names to what
// they become.
func (r *reader) columns(key, value *yaml.Node) []Column {
	if value.Kind != yaml.SequenceNode {
		r.errorf(value, "%s must be a list", key.Value)
		return nil
	}
	var out []Column
	for _, item := range value.Content {
		r.pairs(item, "an item of metrics", func(k, v *yaml.Node) {
			out = append(out, r.column(k, v))
		})
	}
	return out
}

func (r *reader) column(key, value *yaml.Node) Column {
	c := Column{Name: key.Value, At: r.at(key)}
	what := fmt.Sprintf("column %q", c.Name)
	r.pairs(value, what, func(k, v *yaml.Node) {
		switch k.Value {
		case "usage":
			c.Usage = Usage(r.oneOf(k, v, usages))
		case "description":
			r.scalar(k, v, &c.Help)
		case "metric_mapping":
			c.Mapping = r.mapping(k, v)
		case "pg_version":
			c.Versions = r.versions(k, v)
		case "name":
			r.scalar(k, v, &c.Metric)
		case "labels":
			c.Labels = append([]string{}, r.texts(k, v)...)
		case "null":
			c.Null = NullMode(r.oneOf(k, v, nullModes))
		default:
			r.unknownKey(k, what, columnKeys)
		}
	})
	if c.Usage == "" && len(r.errors) == 0 {
		r.errorf(key, "%s has no usage", what)
	}
	return c
}

func (r *reader) mapping(key, value *yaml.Node) map[string]float64 {
	out := map[string]float64{}
	r.pairs(value, key.Value, func(k, v *yaml.Node) {
		var f float64
		r.scalar(k, v, &f)
		out[k.Value] = f
	})
	return out
}

// sqlSource maps an offset in a statement to its place in the file.
type sqlSource struct {
	first  Position
	block  bool     // a literal block: line n of the statement is line n of the block
	source []string // the lines of the file from first.Line on that the statement may span
}

func newSQLSource(r *reader, value *yaml.Node) sqlSource {
	s := sqlSource{first: r.at(value), block: value.Style&yaml.LiteralStyle != 0}
	if s.block {
		s.first.Line++
	}
	from := min(max(s.first.Line-1, 0), len(r.lines))
	to := min(from+strings.Count(value.Value, "\n")+1, len(r.lines))
	s.source = r.lines[from:to]
	return s
}

// Position returns the place of a character of the statement, counted from 1 as
// PostgreSQL counts it. It is exact for literal blocks and for statements on
// one line, and the start of the statement otherwise.
func (q *Query) Position(character int) Position {
	runes := []rune(q.SQL)
	if character < 1 || character > len(runes)+1 || len(q.source.source) == 0 {
		return q.At
	}
	before := string(runes[:character-1])
	at := q.source.first
	line := strings.Count(before, "\n")
	column := before[strings.LastIndex(before, "\n")+1:]
	if !q.source.block && strings.Contains(strings.TrimSpace(q.SQL), "\n") {
		return at
	}
	if line >= len(q.source.source) {
		return at
	}
	text, _, _ := strings.Cut(q.SQL[len(before)-len(column):], "\n")
	indent := strings.Index(q.source.source[line], text)
	if indent < 0 {
		return at
	}
	at.Line += line
	at.Col = indent + len(column) + 1
	return at
}
