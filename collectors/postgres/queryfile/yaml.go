package queryfile

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dmarc-suite/dmarc-suite/internal/typo"
)

// FileError is a mistake in a query file and where it is.
type FileError struct {
	At  Position
	Err error
}

// Error returns file:line:col: and the mistake.
func (e *FileError) Error() string { return e.At.String() + ": " + e.Err.Error() }

// Unwrap returns the mistake without its place.
func (e *FileError) Unwrap() error { return e.Err }

// Mistakes yields the mistakes in files that an error of Load or Parse consists of.
func Mistakes(err error) iter.Seq[*FileError] {
	return func(yield func(*FileError) bool) { mistakes(err, yield) }
}

// mistakes yields them until yield returns false, and then does so, too.
func mistakes(err error, yield func(*FileError) bool) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		e, ok := errors.AsType[*FileError](err)
		return !ok || yield(e)
	}
	for _, one := range joined.Unwrap() {
		if !mistakes(one, yield) {
			return false
		}
	}
	return true
}

// reader walks the YAML nodes of one file and collects every mistake, so that
// one run of check shows all of them.
type reader struct {
	file   string
	lines  []string
	errors []error
}

func (r *reader) at(n *yaml.Node) Position {
	return Position{File: r.file, Line: n.Line, Col: n.Column}
}

func (r *reader) errorf(n *yaml.Node, format string, args ...any) {
	r.errors = append(r.errors, &FileError{At: r.at(n), Err: fmt.Errorf(format, args...)})
}

func (r *reader) err() error { return errors.Join(r.errors...) }

// maxMerges bounds how deep merge keys are followed: YAML allows circles.
const maxMerges = 8

// pairs calls f for each key of a mapping with its value resolved, merged
// keys last, and reports keys that are not unique or not text.
func (r *reader) pairs(n *yaml.Node, what string, f func(key, value *yaml.Node)) {
	r.mergedPairs(n, what, map[string]bool{}, 0, f)
}

func (r *reader) mergedPairs(n *yaml.Node, what string, seen map[string]bool, depth int, f func(key, value *yaml.Node)) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode || depth > maxMerges {
		r.errorf(n, "%s must be a mapping", what)
		return
	}
	var merges []*yaml.Node
	own := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		switch {
		case key.Kind != yaml.ScalarNode:
			r.errorf(key, "a key of %s must be a text", what)
		case key.Tag == "!!merge" && value.Kind == yaml.SequenceNode:
			merges = append(merges, value.Content...)
		case key.Tag == "!!merge":
			merges = append(merges, value)
		case own[key.Value]:
			r.errorf(key, "%s has %q twice", what, key.Value)
		case !seen[key.Value]:
			own[key.Value], seen[key.Value] = true, true
			f(key, value)
		}
	}
	for _, m := range merges {
		r.mergedPairs(m, what, seen, depth+1, f)
	}
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// scalar decodes a value into out, whose type is what is expected.
func (r *reader) scalar(key, value *yaml.Node, out any) {
	if value.Kind != yaml.ScalarNode {
		r.errorf(value, "%s must be a single value", key.Value)
		return
	}
	if err := value.Decode(out); err != nil {
		r.errorf(value, "%s: cannot use %q as %s", key.Value, value.Value, typeName(out))
	}
}

func typeName(out any) string {
	switch out.(type) {
	case *bool:
		return "true or false"
	case *int, *uint32:
		return "a number"
	case *float64:
		return "a number"
	}
	return "a text"
}

// texts decodes a single text or a list of them.
func (r *reader) texts(key, value *yaml.Node) []string {
	if value.Kind == yaml.ScalarNode {
		return []string{value.Value}
	}
	if value.Kind != yaml.SequenceNode {
		r.errorf(value, "%s must be a list", key.Value)
		return nil
	}
	out := make([]string, 0, len(value.Content))
	for _, item := range value.Content {
		if item = resolve(item); item.Kind != yaml.ScalarNode {
			r.errorf(item, "%s must be a list of texts", key.Value)
			continue
		}
		out = append(out, item.Value)
	}
	return out
}

// oneOf decodes a text of a closed set.
func (r *reader) oneOf(key, value *yaml.Node, allowed []string) string {
	if !slices.Contains(allowed, value.Value) {
		r.errorf(value, "unknown %s %q%s", key.Value, value.Value, suggest(value.Value, allowed))
		return ""
	}
	return value.Value
}

func (r *reader) unknownKey(key *yaml.Node, what string, known []string) {
	r.errorf(key, "unknown key %q in %s%s", key.Value, what, suggest(key.Value, known))
}

// suggest names the member of known that s may have been meant to be.
func suggest(s string, known []string) string {
	if nearest := typo.Nearest(s, known); nearest != "" {
		return fmt.Sprintf(", did you mean %q?", nearest)
	}
	return ", expected one of " + strings.Join(known, ", ")
}
