package postgres

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const oidText = 25

func TestParseValue(t *testing.T) {
	tests := []struct {
		oid  uint32
		text string
		want float64
		ok   bool
	}{
		{oidBool, "t", 1, true},
		{oidBool, "f", 0, true},
		{oidInt4, "-7", -7, true},
		{oidInt8, "9007199254740992", 1 << 53, true},
		{1700, "12345678901234567890.5", 12345678901234567890.5, true},
		{1700, "NaN", math.NaN(), true},
		{701, "Infinity", math.Inf(1), true},
		{701, "-Infinity", math.Inf(-1), true},
		{701, "1e-310", 1e-310, true},
		{1700, "1e400", math.Inf(1), true},
		{oidText, " 42 ", 42, true},
		{oidText, "many", 0, false},
		{oidText, "", 0, false},
		{oidTimestamptz, "2026-01-02 03:04:05.25+00", 1767323045.25, true},
		{oidTimestamptz, "2026-01-02 05:34:05+02:30", 1767323045, true},
		{oidTimestamp, "2026-01-02 03:04:05.5", 1767323045.5, true},
		{oidTimestamp, "infinity", math.Inf(1), true},
		{oidTimestamp, "-infinity", math.Inf(-1), true},
		{oidTimestamp, "02/01/2026", 0, false},
		{oidDate, "1970-01-02", 86400, true},
		{oidInterval, "00:00:05.5", 5.5, true},
		{oidInterval, "1 day 02:00:00", 93600, true},
		{oidInterval, "-1 days +00:00:01", -86399, true},
		{oidInterval, "1 year 2 mons", 365.25*86400 + 60*86400, true},
		{oidInterval, "@ 1 hour 5 secs ago", -3605, true},
		{oidInterval, "@ 0", 0, true},
		{oidInterval, "-00:00:01", -1, true},
		{oidInterval, "P1D", 0, false},
		{oidInterval, "1", 0, false},
		{oidInterval, "", 0, false},
		{oidTime, "01:02:03", 3723, true},
		{oidLSN, "16/B374D848", 0x16<<32 + 0xB374D848, true},
		{oidLSN, "16", 0, false},
	}
	for _, tt := range tests {
		got, err := parseValue(tt.oid, []byte(tt.text))
		if !cmp.Equal(got, tt.want, cmpopts.EquateNaNs()) || (err == nil) != tt.ok {
			t.Errorf("parseValue(%d, %q) = %v, %v; want %v, ok %t", tt.oid, tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func TestParseMilliseconds(t *testing.T) {
	tests := []struct {
		oid  uint32
		text string
		want float64
		ok   bool
	}{
		{oidText, "1m30s", 90000, true},
		{oidText, "250us", 0.25, true},
		{oidInterval, "00:00:01.5", 1500, true},
		{oidText, "00:00:02", 2000, true},
		{oidText, "-1", math.NaN(), true},
		{oidText, "soon", 0, false},
	}
	for _, tt := range tests {
		got, err := parseMilliseconds(tt.oid, []byte(tt.text))
		if !cmp.Equal(got, tt.want, cmpopts.EquateNaNs()) || (err == nil) != tt.ok {
			t.Errorf("parseMilliseconds(%q) = %v, %v; want %v, ok %t", tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func TestParseArray(t *testing.T) {
	tests := []struct {
		text string
		want []float64
		ok   bool
	}{
		{"{}", nil, true},
		{"{0.5,1,+Inf}", []float64{0.5, 1, math.Inf(1)}, true},
		{`{"2",NULL}`, []float64{2, math.NaN()}, true},
		{"{1,{2}}", nil, false},
		{"1,2", nil, false},
		{"{", nil, false},
		{"{,}", nil, false},
	}
	for _, tt := range tests {
		got, err := parseArray([]byte(tt.text))
		if !cmp.Equal(got, tt.want, cmpopts.EquateNaNs()) || (err == nil) != tt.ok {
			t.Errorf("parseArray(%q) = %v, %v; want %v, ok %t", tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func FuzzParseInterval(f *testing.F) {
	for _, s := range []string{"1 day 02:00:00", "@ 1 hour ago", "-00:00:01", "1:2:3:4", "@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		seconds, err := parseInterval(s)
		if err != nil && seconds != 0 {
			t.Errorf("%q gives %v beside %v", s, seconds, err)
		}
		// What is a whole number of hours, written as a clock, reads as itself.
		if err == nil && seconds >= 0 && seconds < 1e9 && seconds == math.Trunc(seconds) {
			d := time.Duration(seconds) * time.Second
			again, err := parseInterval(formatClock(d))
			if err != nil || again != seconds {
				t.Errorf("%q is %v s, written as %s it is %v, %v", s, seconds, formatClock(d), again, err)
			}
		}
	})
}

func formatClock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d:%02d", d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second)
}
