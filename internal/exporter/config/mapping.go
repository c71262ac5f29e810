package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dmarc-suite/dmarc-suite/internal/typo"
)

// field is a key that a struct has.
type field struct {
	name  string
	value reflect.Value
}

// fields lists the keys of a struct, those of inlined structs included.
func fields(v reflect.Value) []field {
	var all []field
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			all = append(all, fields(v.Field(i))...)
		case name == "-", !f.IsExported():
		case name == "":
			all = append(all, field{strings.ToLower(f.Name), v.Field(i)})
		default:
			all = append(all, field{name, v.Field(i)})
		}
	}
	return all
}

func names(fields []field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return all
}

// structure decodes a mapping whose keys are known.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, key string) {
	all := fields(v)
	if !d.is(n, key, yaml.MappingNode, "a mapping with the keys "+strings.Join(names(all), ", ")) {
		return
	}
	byName := map[string]reflect.Value{}
	for _, f := range all {
		byName[f.name] = f.value
	}
	d.pairs(n, key, func(k, value *yaml.Node) {
		if into, ok := byName[k.Value]; ok {
			d.value(value, into, join(key, k.Value))
			return
		}
		d.unknown(k, value, key, names(all))
	})
}

// unknown notes a key that there is not. What is no pair of key and value may
// be a secret in the wrong place: it is not repeated.
func (d *decoder) unknown(k, value *yaml.Node, key string, known []string) {
	what := fmt.Sprintf("unknown key %q", k.Value)
	if nearest := typo.Nearest(k.Value, known); nearest != "" {
		d.failf(k, key, "%s, did you mean %q?", what, nearest)
		return
	}
	if value.Kind == yaml.ScalarNode && value.ShortTag() == nullTag {
		what = "unknown key"
	}
	d.failf(k, key, "%s, there are: %s", what, strings.Join(known, ", "))
}

// mapping decodes a mapping whose keys are names that the user gives.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, key string) {
	if !d.is(n, key, yaml.MappingNode, "a mapping") {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, key, func(k, value *yaml.Node) {
		one := reflect.New(v.Type().Elem()).Elem()
		d.value(value, one, join(key, k.Value))
		v.SetMapIndex(reflect.ValueOf(k.Value).Convert(v.Type().Key()), one)
	})
}

// pairs calls visit for each key of a mapping; the keys that << merges into it
// come last and do not replace its own.
func (d *decoder) pairs(n *yaml.Node, key string, visit func(key, value *yaml.Node)) {
	first := map[string]int{}
	d.merged(n, key, map[string]bool{}, first, visit)
}

func (d *decoder) merged(n *yaml.Node, key string, seen map[string]bool, first map[string]int, visit func(key, value *yaml.Node)) {
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode:
			d.failf(k, key, "a key must be a text")
		case k.ShortTag() == mergeTag:
			merges = append(merges, value)
		case first[k.Value] > 0:
			d.failf(k, join(key, k.Value), "given twice, first in line %d", first[k.Value])
		default:
			first[k.Value] = k.Line
			if !seen[k.Value] {
				seen[k.Value] = true
				visit(k, value)
			}
		}
	}
	for _, m := range merges {
		d.merge(m, key, seen, visit)
	}
}

// merge visits the keys of the mapping, or of the list of mappings, that << names.
func (d *decoder) merge(n *yaml.Node, key string, seen map[string]bool, visit func(key, value *yaml.Node)) {
	d.depth++
	defer func() { d.depth-- }()
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.values++
	switch {
	case d.values > maxValues || d.depth > maxDepth:
		d.failf(n, key, "aliases make too much of this")
	case n.Kind == yaml.SequenceNode:
		for _, one := range n.Content {
			d.merge(one, key, seen, visit)
		}
	case n.Kind == yaml.MappingNode:
		d.merged(n, key, seen, map[string]int{}, visit)
	default:
		d.failf(n, key, "<< merges mappings, not %s", kindName(n.Kind))
	}
}
