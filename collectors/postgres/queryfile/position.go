package queryfile

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

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

// Position returns the place of a character of the statement for a version,
// counted from 1 as PostgreSQL counts it. It is exact for literal blocks and for
// statements on one line, and the start of the statement otherwise.
func (q *Query) Position(v Version, character int) Position {
	sql, source := q.statement(v)
	runes := []rune(sql)
	if character < 1 || character > len(runes)+1 || len(source.source) == 0 {
		return q.At
	}
	before := string(runes[:character-1])
	at := source.first
	line := strings.Count(before, "\n")
	column := before[strings.LastIndex(before, "\n")+1:]
	if !source.block && strings.Contains(strings.TrimSpace(sql), "\n") || line >= len(source.source) {
		return at
	}
	text, _, _ := strings.Cut(sql[len(before)-len(column):], "\n")
	indent := strings.Index(source.source[line], text)
	if indent < 0 {
		return at
	}
	at.Line += line
	at.Col = indent + len(column) + 1
	return at
}
