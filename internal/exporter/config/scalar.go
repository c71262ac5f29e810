package config

import (
	"math"
	"path/filepath"
	"reflect"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// scalar decodes a text, a number or a truth value.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, key string) {
	want := "a text"
	switch {
	case v.Kind() == reflect.Bool:
		want = "true or false"
	case v.CanInt(), v.CanUint():
		want = "a whole number"
	case v.CanFloat():
		want = "a number"
	}
	if !d.is(n, key, yaml.ScalarNode, want) {
		return
	}
	if v.Kind() == reflect.String {
		v.SetString(n.Value)
		return
	}
	if problem, ok := number(n, v); !ok {
		d.failf(n, key, "must be %s%s", want, problem)
	}
}

// number decodes a number or a truth value. The errors of the YAML package
// would hold the value; problem continues "must be a number" instead.
func number(n *yaml.Node, v reflect.Value) (problem string, ok bool) {
	if v.Kind() == reflect.Bool {
		return "", n.Decode(v.Addr().Interface()) == nil
	}
	tag, f := n.ShortTag(), 0.0
	if tag != intTag && tag != floatTag || n.Decode(&f) != nil || math.IsNaN(f) {
		return "", false
	}
	switch {
	case v.CanFloat():
		v.SetFloat(f)
		return "", true
	case f < 0:
		return ", and not a negative one", false
	case f != math.Trunc(f):
		return "", false
	case f >= 1<<53, v.CanInt() && v.OverflowInt(int64(f)), v.CanUint() && v.OverflowUint(uint64(f)):
		return ", and not such a large one", false
	case v.CanInt():
		v.SetInt(int64(f))
	default:
		v.SetUint(uint64(f))
	}
	return "", true
}

// duration decodes a duration of Prometheus, such as 1d12h, or of Go, such as 1.5h.
func (d *decoder) duration(n *yaml.Node, into *time.Duration, key string) {
	const want = "a duration with a unit, such as 30s, 5m, 12h or 7d"
	if !d.is(n, key, yaml.ScalarNode, want) {
		return
	}
	if parsed, err := model.ParseDuration(n.Value); err == nil {
		*into = time.Duration(parsed)
	} else if *into, err = time.ParseDuration(n.Value); err != nil || *into < 0 {
		d.failf(n, key, "must be %s", want)
	}
}

// Path is the path of a file or directory. In a configuration file it is
// relative to that file.
type Path string

// path decodes a path.
func (d *decoder) path(n *yaml.Node, into *Path, key string) {
	if !d.is(n, key, yaml.ScalarNode, "a path") {
		return
	}
	*into = Path(n.Value)
	if n.Value != "" && !filepath.IsAbs(n.Value) {
		*into = Path(filepath.Join(d.dir, n.Value))
	}
}
