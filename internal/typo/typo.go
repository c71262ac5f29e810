// Package typo guesses which known word a mistyped one was meant to be.
package typo

import (
	"math"
	"strings"
)

// Nearest returns the known word that is most like word, "" when none is
// close: every third letter may be wrong, missing or too many, three at most.
// Failing that, it is the shortest that word begins, or the longest that begins
// word, with three letters at least.
func Nearest(word string, known []string) string {
	word = strings.ToLower(word)
	best, least := "", min(3, (len(word)+1)/3)+1
	for _, k := range known {
		if d := distance(word, strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return best
	}
	least = math.MaxInt
	for _, k := range known {
		short, long := word, strings.ToLower(k)
		if len(short) > len(long) {
			short, long = long, short
		}
		if d := len(long) - len(short); d < least && len(short) >= 3 && strings.HasPrefix(long, short) {
			best, least = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short texts; neighbours that
// changed places are one mistake.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			substitute := last[j]
			if a[i] != b[j] {
				substitute++
			}
			row[j+1] = min(substitute, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
