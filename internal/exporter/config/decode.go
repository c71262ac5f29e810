package config

import (
	"encoding"
	"fmt"
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"
)

// The tags of YAML that values have here.
const (
	nullTag  = "!!null"
	textTag  = "!!str"
	boolTag  = "!!bool"
	intTag   = "!!int"
	floatTag = "!!float"
	timeTag  = "!!timestamp"
	mergeTag = "!!merge"
)

const (
	// maxErrors is how many mistakes are told at once.
	maxErrors = 10
	// maxValues bounds what aliases of aliases can become.
	maxValues = 100_000
	// maxDepth bounds aliases that hold themselves.
	maxDepth = 100
)

// decoder decodes nodes into Go values and collects mistakes.
type decoder struct {
	file   *File
	dir    string
	errors []*Error
	broken int // values that could not be decoded
	values int
	depth  int
}

// fail notes that a node cannot be decoded.
func (d *decoder) fail(n *yaml.Node, key string, err error) {
	d.broken++
	d.note(n.Line, key, err)
}

// note notes a mistake.
func (d *decoder) note(line int, key string, err error) {
	if len(d.errors) < maxErrors {
		d.errors = append(d.errors, &Error{File: d.file.path, Line: line, Key: key, Err: err})
	}
}

// failf notes that a node cannot be decoded.
func (d *decoder) failf(n *yaml.Node, key, format string, args ...any) {
	d.fail(n, key, fmt.Errorf(format, args...))
}

// value decodes a node and checks the result.
func (d *decoder) value(n *yaml.Node, v reflect.Value, key string) {
	d.depth++
	defer func() { d.depth-- }()
	if d.values++; d.values > maxValues || d.depth > maxDepth {
		d.failf(n, key, "aliases make too much of this")
		return
	}
	d.file.lines[key] = n.Line
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	broken := d.broken
	if n.Kind != yaml.ScalarNode || n.ShortTag() != nullTag {
		d.decode(n, v, key)
	}
	if d.broken > broken {
		return // A check would complain about what is only not there.
	}
	if c, ok := v.Addr().Interface().(interface{ Check() error }); ok {
		d.check(n, key, c.Check())
	}
}

// check notes what a method Check found.
func (d *decoder) check(n *yaml.Node, key string, err error) {
	if err == nil {
		return
	}
	if at, ok := err.(*atKey); ok { //nolint:errorlint // A wrapped one has words of its own around it.
		key, err = join(key, at.key), at.err
		d.note(d.file.line(key), key, err)
		return
	}
	d.note(n.Line, key, err)
}

// join appends a name, or the index of an item, to a key.
func join(key, name string) string {
	if key == "" || name[0] == '[' {
		return key + name
	}
	return key + "." + name
}

// decode decodes a node that is not null.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, key string) {
	switch into := v.Addr().Interface().(type) {
	case *Secret:
		d.secret(n, into, key)
		return
	case *time.Duration:
		d.duration(n, into, key)
		return
	case *Path:
		d.path(n, into, key)
		return
	case encoding.TextUnmarshaler:
		if d.is(n, key, yaml.ScalarNode, "a text") {
			if err := into.UnmarshalText([]byte(n.Value)); err != nil {
				d.fail(n, key, err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), key)
	case reflect.Struct:
		d.structure(n, v, key)
	case reflect.Map:
		d.mapping(n, v, key)
	case reflect.Slice:
		d.list(n, v, key)
	default:
		d.scalar(n, v, key)
	}
}

// is reports whether a node is of a kind, and notes a mistake if it is not.
func (d *decoder) is(n *yaml.Node, key string, kind yaml.Kind, want string) bool {
	switch {
	case n.Kind != kind:
		d.failf(n, key, "must be %s, not %s", want, kindName(n.Kind))
	case kind == yaml.ScalarNode && !known(n.ShortTag()):
		d.failf(n, key, "must be %s without a tag", want)
	default:
		return true
	}
	return false
}

func known(tag string) bool {
	switch tag {
	case textTag, boolTag, intTag, floatTag, timeTag:
		return true
	}
	return false
}

func kindName(k yaml.Kind) string {
	switch k {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}

// list decodes a list.
func (d *decoder) list(n *yaml.Node, v reflect.Value, key string) {
	if !d.is(n, key, yaml.SequenceNode, "a list") {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", key, i))
	}
}
