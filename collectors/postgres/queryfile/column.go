package queryfile

import (
	"fmt"

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
