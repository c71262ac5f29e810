package kitlog

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"unicode/utf8"
)

// appendAttr appends the key and value of a, or those of a group's members.
func appendAttr(keyvals []any, prefix string, a slog.Attr) []any {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key == "" && v.Equal(slog.Value{}) {
			return keyvals
		}
		return append(keyvals, key(prefix+a.Key), value(v))
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, member := range v.Group() {
		keyvals = appendAttr(keyvals, prefix, member)
	}
	return keyvals
}

// key returns a key that go-kit's logfmt logger accepts: with a key that has no
// valid character it would drop the whole line.
func key(k string) string {
	if strings.ContainsFunc(k, validInKey) {
		return k
	}
	return "!EMPTY"
}

func validInKey(r rune) bool {
	return r > ' ' && r != '=' && r != '"' && r != utf8.RuneError
}

// value returns a value that every go-kit logger can write.
func value(v slog.Value) any {
	x := v.Any()
	switch x.(type) {
	case nil, error, fmt.Stringer, encoding.TextMarshaler, json.Marshaler, []byte:
		return x
	}
	switch reflect.TypeOf(x).Kind() {
	case reflect.Array, reflect.Chan, reflect.Func, reflect.Map, reflect.Slice, reflect.Struct, reflect.Pointer:
		// The logfmt logger would write "unsupported value type" instead.
		return fmt.Sprintf("%+v", x)
	default:
		return x
	}
}
