package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The types whose text form is not simply a number, by the OIDs of pg_type.
const (
	oidBool        = 16
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidInterval    = 1186
	oidLSN         = 3220
)

var errNoNumber = errors.New("not a number")

// parseValue converts the text form of a value to a sample: booleans to 0 and
// 1, moments to Unix seconds (those without a time zone are taken as UTC),
// intervals to seconds, log positions to bytes, everything else by its text.
func parseValue(oid uint32, text []byte) (float64, error) {
	switch oid {
	case oidInt8, oidInt4, oidInt2:
		n, err := strconv.ParseInt(string(text), 10, 64)
		return float64(n), err
	case oidBool:
		if len(text) == 1 && text[0] == 't' {
			return 1, nil
		}
		return 0, nil
	case oidTimestamptz, oidTimestamp, oidDate:
		return parseTimestamp(string(text))
	case oidInterval, oidTime:
		return parseInterval(string(text))
	case oidLSN:
		return parseLSN(string(text))
	}
	f, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errNoNumber
	}
	return f, nil // Beyond the range of float64 a numeric is an infinity.
}

// timestampLayouts are the ISO forms of timestamptz, timestamp and date.
// Fractions of a second may follow the seconds in any of them.
var timestampLayouts = []string{
	"2006-01-02 15:04:05Z07", "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07:00:00", "2006-01-02",
}

func parseTimestamp(s string) (float64, error) {
	switch s {
	case "infinity":
		return math.Inf(+1), nil
	case "-infinity":
		return math.Inf(-1), nil
	}
	for _, layout := range timestampLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return float64(t.Unix()) + float64(t.Nanosecond())/1e9, nil
		}
	}
	return 0, fmt.Errorf("%q is no timestamp in ISO style", s)
}

// Lengths as extract(epoch from interval) has them.
const (
	secondsPerDay   = 24 * 3600
	secondsPerMonth = 30 * secondsPerDay
	secondsPerYear  = 365.25 * secondsPerDay
)

// intervalUnits are the units of the styles postgres and postgres_verbose.
var intervalUnits = map[string]float64{
	"year": secondsPerYear, "mon": secondsPerMonth, "day": secondsPerDay, "hour": 3600, "min": 60, "sec": 1,
}

// parseInterval reads the styles postgres and postgres_verbose:
// "1 year 2 mons -3 days +04:05:06.5" and "@ 1 hour 5 secs ago".
func parseInterval(s string) (float64, error) {
	rest, ago := strings.CutSuffix(strings.TrimPrefix(s, "@ "), " ago")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, errNoNumber
	}
	sum := 0.0
	for i := 0; i < len(fields); i++ {
		if strings.Contains(fields[i], ":") {
			seconds, err := parseClock(fields[i])
			if err != nil {
				return 0, err
			}
			sum += seconds
			continue
		}
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return 0, errNoNumber
		}
		if i+1 == len(fields) {
			if n == 0 && len(fields) == 1 { // "@ 0"
				return 0, nil
			}
			return 0, errNoNumber
		}
		i++
		unit, known := intervalUnits[strings.TrimSuffix(fields[i], "s")]
		if !known {
			return 0, errNoNumber
		}
		sum += n * unit
	}
	if ago {
		sum = -sum
	}
	return sum, nil
}

// parseClock reads [+-]hours:minutes[:seconds[.fraction]].
func parseClock(s string) (float64, error) {
	digits := strings.TrimLeft(s, "+-")
	sum, parts := 0.0, 0
	for part := range strings.SplitSeq(digits, ":") {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || n < 0 || parts == 3 {
			return 0, errNoNumber
		}
		sum = sum*60 + n
		parts++
	}
	if parts == 2 {
		sum *= 60
	}
	if strings.HasPrefix(s, "-") {
		sum = -sum
	}
	return sum, nil
}

func parseLSN(s string) (float64, error) {
	high, low, ok := strings.Cut(s, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !ok || errHigh != nil || errLow != nil {
		return 0, errNoNumber
	}
	return float64(h<<32 | l), nil
}

// parseMilliseconds reads the text of a DURATION column: a Go duration such
// as "1m30s", or an interval. -1, which settings use for "off", is NaN.
func parseMilliseconds(oid uint32, text []byte) (float64, error) {
	s := string(text)
	if s == "-1" {
		return math.NaN(), nil
	}
	if oid == oidInterval || strings.Contains(s, ":") {
		seconds, err := parseInterval(s)
		return seconds * 1000, err
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errNoNumber
	}
	return float64(d) / float64(time.Millisecond), nil
}

// parseArray reads the numbers of a one-dimensional array: {0.5,1,NULL}. NULL
// is NaN.
func parseArray(text []byte) ([]float64, error) {
	s := string(text)
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return nil, errNoNumber
	}
	if s = s[1 : len(s)-1]; s == "" {
		return nil, nil
	}
	var out []float64
	for item := range strings.SplitSeq(s, ",") {
		item = strings.Trim(item, `"`)
		if item == "NULL" {
			out = append(out, math.NaN())
			continue
		}
		f, err := strconv.ParseFloat(item, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, errNoNumber
		}
		out = append(out, f)
	}
	return out, nil
}
