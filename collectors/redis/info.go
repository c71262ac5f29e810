package redis

import (
	"iter"
	"strings"
)

// info is the parsed text of INFO: lines "key:value" under "# Section" titles.
type info []infoField

// infoField is one line. The strings share the memory of the text.
type infoField struct{ section, key, value string }

// parseInfo splits the text of INFO, of CLUSTER INFO and the like. Lines without
// a colon and empty keys are skipped: all dialects have some of their own.
func parseInfo(text string) info {
	fields := make(info, 0, strings.Count(text, "\n"))
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if title, ok := strings.CutPrefix(line, "#"); ok {
			section = strings.ToLower(strings.TrimSpace(title))
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok || key == "" {
			continue
		}
		// QUIRK(info-space): Dragonfly and proxies put a space after the colon.
		fields = append(fields, infoField{section, key, strings.TrimSpace(value)})
	}
	return fields
}

// get returns the value of the first field called key, or "".
func (in info) get(key string) string {
	for _, f := range in {
		if f.key == key {
			return f.value
		}
	}
	return ""
}

// isNumbered reports whether key is prefix and a number.
func isNumbered(key, prefix string) bool {
	rest, ok := strings.CutPrefix(key, prefix)
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}

// pairs iterates over "a=1,b=2", the form of the values of many fields.
func pairs(value string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for part := range strings.SplitSeq(value, ",") {
			if k, v, ok := strings.Cut(part, "="); ok && !yield(k, v) {
				return
			}
		}
	}
}

// field is a line of INFO that is one metric without labels.
type field struct {
	key   string  // in INFO
	name  string  // of the metric, after the namespace
	help  string  // one sentence
	scale float64 // what a value is multiplied with, 0 means 1
}
