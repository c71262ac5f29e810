package config

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Digest identifies a part of a configuration, its secrets included, without
// showing any of it. Files of certificates are part of it with their content, as
// they are read only once; those of secrets are read again when they are needed.
func Digest(part any) string {
	h := sha256.New()
	digest(h, reflect.ValueOf(part))
	return fmt.Sprintf("%x", h.Sum(nil))
}

func valueOf[T any](p *T) reflect.Value { return reflect.ValueOf(p).Elem() }

func digest(h hash.Hash, v reflect.Value) {
	fmt.Fprintf(h, "%s(", v.Kind())
	defer h.Write([]byte(")"))
	switch v.Kind() {
	case reflect.Invalid:
	case reflect.Pointer, reflect.Interface:
		digest(h, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			digest(h, v.Field(i))
		}
		if v.Type() == reflect.TypeFor[TLS]() {
			for _, name := range []string{"CAFile", "CertFile", "KeyFile"} {
				content, _ := os.ReadFile(v.FieldByName(name).String()) // Client says what is wrong with it.
				fmt.Fprintf(h, "%q", content)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			digest(h, v.Index(i))
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			digest(h, key)
			digest(h, v.MapIndex(key))
		}
	case reflect.String:
		fmt.Fprintf(h, "%q", v.String())
	default:
		// A Stringer of a field that is not exported could not be called.
		switch {
		case v.CanInt():
			fmt.Fprint(h, v.Int())
		case v.CanUint():
			fmt.Fprint(h, v.Uint())
		case v.CanFloat():
			fmt.Fprint(h, v.Float())
		case v.Kind() == reflect.Bool:
			fmt.Fprint(h, v.Bool())
		}
	}
}
