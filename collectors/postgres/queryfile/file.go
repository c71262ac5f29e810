package queryfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/dmarc-suite/dmarc-suite/internal/yamlsyntax"
)

// defaultWindow is the interval of a query with a cursor.
const defaultWindow = 30 * time.Second

// maxFileSize bounds a query file in bytes.
const maxFileSize = 4 << 20

// Load reads the query files the patterns name, in the order of the patterns
// and, within one, of the file names. A pattern that matches nothing is an
// error, as is any mistake in a file: all of them are reported, each a
// *FileError, joined.
func Load(patterns ...string) (*Files, error) {
	var names []string
	for _, pattern := range patterns {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("query files %q: %w", pattern, err)
		}
		if len(matches) == 0 {
			return nil, fmt.Errorf("query files %q: %w", pattern, os.ErrNotExist)
		}
		for _, name := range matches {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	files := &Files{}
	var problems []error
	for _, name := range names {
		f, err := loadFile(name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		files.Queries = append(files.Queries, f.Queries...)
		files.Sums = append(files.Sums, f.Sums...)
	}
	problems = append(problems, CheckNames(files.Queries))
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return files, nil
}

func loadFile(name string) (*Files, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("query file: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("query file: %w", err)
	}
	if len(content) > maxFileSize {
		return nil, &FileError{At: Position{File: name, Line: 1, Col: 1}, Err: fmt.Errorf("larger than %d bytes", maxFileSize)}
	}
	return Parse(name, content)
}

// Parse reads one query file. The name is only used in messages. On error no
// query is returned and the error holds every mistake as a *FileError.
func Parse(name string, content []byte) (*Files, error) {
	r := &reader{file: name, lines: strings.Split(string(content), "\n")}
	sum := sha256.Sum256(content)
	files := &Files{Sums: []FileSum{{Name: name, SHA256: hex.EncodeToString(sum[:])}}}

	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return files, nil
	} else if err != nil {
		line, mistake := yamlsyntax.Mistake(content, err)
		return nil, &FileError{At: Position{File: name, Line: max(line, 1), Col: 1}, Err: mistake}
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		r.errorf(&document, "must hold a single YAML document")
	}
	root := resolve(document.Content[0])
	if root.Kind != yaml.ScalarNode || root.Tag != "!!null" {
		r.pairs(root, "the file", func(key, value *yaml.Node) {
			files.Queries = append(files.Queries, r.query(key, value))
		})
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	for _, q := range files.Queries {
		if err := q.validate(); err != nil {
			r.errors = append(r.errors, err)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return files, nil
}

var queryKeys = []string{
	"query", "metrics", "master", "cache_seconds", "runonserver",
	"timeout", "interval", "max_rows", "null", "databases", "min_version",
	"metrics_prefix", "server_label", "cursor", "cursor_start", "alternatives", "requires",
}

func (r *reader) query(key, value *yaml.Node) *Query {
	q := &Query{Name: key.Value, Prefix: key.Value, At: r.at(key), Null: NullSkip, NullIsError: true, ServerLabel: true}
	var minimum Range
	r.pairs(value, fmt.Sprintf("query %q", q.Name), func(k, v *yaml.Node) {
		switch k.Value {
		case "query":
			r.scalar(k, v, &q.SQL)
			q.source = newSQLSource(r, v)
		case "metrics":
			q.Columns = r.columns(k, v)
		case "master":
			r.scalar(k, v, &q.Master)
		case "cache_seconds":
			var seconds uint32
			r.scalar(k, v, &seconds)
			q.Cache = time.Duration(seconds) * time.Second
		case "runonserver":
			q.Versions = r.versions(k, v)
		case "min_version":
			minimum = r.minimum(k, v)
		case "timeout":
			q.Timeout = r.duration(k, v)
		case "interval":
			q.Interval = r.duration(k, v)
		case "max_rows":
			r.scalar(k, v, &q.MaxRows)
		case "null":
			q.Null, q.NullIsError = NullMode(r.oneOf(k, v, nullModes)), false
		case "databases":
			q.Databases = r.texts(k, v)
		case "metrics_prefix":
			r.scalar(k, v, &q.Prefix)
		case "server_label":
			r.scalar(k, v, &q.ServerLabel)
		case "cursor":
			r.scalar(k, v, &q.Cursor)
		case "cursor_start":
			r.scalar(k, v, &q.CursorStart)
		case "alternatives":
			q.Alternatives = r.alternatives(k, v)
		case "requires":
			q.Requires = r.texts(k, v)
		default:
			r.unknownKey(k, fmt.Sprintf("query %q", q.Name), queryKeys)
		}
	})
	q.Versions = q.Versions.and(minimum)
	if q.Cursor != "" && q.Interval == 0 {
		q.Interval = defaultWindow
	}
	return q
}

// alternatives reads a list of statements, each with the versions it is for.
func (r *reader) alternatives(key, value *yaml.Node) []Alternative {
	if value.Kind != yaml.SequenceNode {
		r.errorf(value, "%s must be a list", key.Value)
		return nil
	}
	var out []Alternative
	for _, item := range value.Content {
		var a Alternative
		r.pairs(item, "an alternative", func(k, v *yaml.Node) {
			switch k.Value {
			case "query":
				r.scalar(k, v, &a.SQL)
				a.source = newSQLSource(r, v)
			case "runonserver":
				a.Versions = r.versions(k, v)
			default:
				r.unknownKey(k, "an alternative", []string{"query", "runonserver"})
			}
		})
		if strings.TrimSpace(a.SQL) == "" {
			r.errorf(item, "an alternative has no statement")
		}
		out = append(out, a)
	}
	return out
}

func (r *reader) versions(key, value *yaml.Node) Range {
	out, err := ParseRange(value.Value)
	if err != nil || value.Kind != yaml.ScalarNode {
		r.errorf(value, "%s: %w", key.Value, err)
	}
	return out
}

func (r *reader) minimum(key, value *yaml.Node) Range {
	v, err := ParseVersion(value.Value)
	if err != nil {
		r.errorf(value, "%s: %w", key.Value, err)
	}
	return AtLeast(v)
}

// duration reads a Go duration ("1m30s") that is more than zero.
func (r *reader) duration(key, value *yaml.Node) time.Duration {
	d, err := time.ParseDuration(value.Value)
	if err != nil || d <= 0 {
		r.errorf(value, "%s: %q is no duration such as 500ms or 5m", key.Value, value.Value)
	}
	return d
}
