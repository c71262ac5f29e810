package text

import (
	"math"
	"strconv"
	"strings"
)

// MaxCount bounds a count in a report. No reporter sees a trillion messages or
// sessions of one kind in a day, and a bound lets sums never overflow.
const MaxCount = 1_000_000_000_000

// CountForm is how a count was written.
type CountForm uint8

// The forms of a count. The value of the last two is 0.
const (
	CountNormal   CountForm = iota // decimal digits
	CountRepaired                  // a whole number in an odd form: 5.0, +5, 1e3
	CountInvalid                   // not a whole number
	CountRange                     // negative, or larger than MaxCount
)

// Count reads a count without white space around it.
func Count[T []byte | string](s T) (int64, CountForm) {
	if n, ok := Digits(s); ok {
		if n > MaxCount {
			return 0, CountRange
		}
		return n, CountNormal
	}
	f, err := strconv.ParseFloat(string(s), 64)
	switch {
	case math.IsNaN(f), err != nil && !math.IsInf(f, 0), strings.ContainsAny(string(s), "xX_nN"):
		return 0, CountInvalid
	case f < 0, f > MaxCount:
		return 0, CountRange
	case f != math.Trunc(f):
		return 0, CountInvalid
	}
	return int64(f), CountRepaired
}

// MostCounted is where sums of counts end: up to it a float64, which metrics
// are, holds every whole number.
const MostCounted = 1 << 53

// AddCounts adds to a sum of counts. It stays at MostCounted rather than going
// on, and what is not positive adds nothing: a sum never falls.
func AddCounts(sum, n int64) int64 {
	switch {
	case n <= 0 || sum >= MostCounted:
		return sum
	case n >= MostCounted-sum:
		return MostCounted
	}
	return sum + n
}

// Default sets a limit that is zero or negative to its default.
func Default[T int | int64](limit *T, otherwise T) {
	if *limit <= 0 {
		*limit = otherwise
	}
}

// Digits reads a number of decimal digits. What does not fit is a number
// larger than any that has a meaning.
func Digits[T []byte | string](s T) (n int64, ok bool) {
	if len(s) == 0 {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if i >= 18 && n >= math.MaxInt64/100 {
			n = math.MaxInt64 / 10
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
