package reportfiles

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// clean makes untrusted text fit for a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// wrapped breaks a text between words into lines of a width. Without room for
// a word or two it is left whole.
func wrapped(text string, width int) []string {
	const least = 20
	text = clean(text)
	if width < least || utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// cut shortens a text at its end.
func cut(text string, limit int) string {
	runes := []rune(clean(text))
	if len(runes) <= limit {
		return string(runes)
	}
	return string(runes[:limit-1]) + "…"
}

// cutLeft shortens a path at its start, since its end says more.
func cutLeft(path string, limit int) string {
	runes := []rune(clean(path))
	if len(runes) <= limit {
		return string(runes)
	}
	return "…" + string(runes[len(runes)-limit+1:])
}

// codes shows at most three warnings.
func codes(list []dmarc.Code) string {
	const limit = 3
	var parts []string
	for i, code := range list {
		if i == limit {
			parts = append(parts, fmt.Sprintf("+%d", len(list)-limit))
			break
		}
		parts = append(parts, string(code))
	}
	return strings.Join(parts, " ")
}

// plural shows a number of things.
func plural(n int, thing string) string { return wording.Plural(int64(n), thing) }
