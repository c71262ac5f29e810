package exporter

import (
	"net/http"
	"testing"
	"time"
)

func TestTiming(t *testing.T) {
	tests := []struct {
		name, header    string
		collect, answer time.Duration
	}{
		{"no header", "", 9500 * time.Millisecond, 9700 * time.Millisecond},
		{"header", "5", 4500 * time.Millisecond, 4700 * time.Millisecond},
		{"fraction", "1.25", 900 * time.Millisecond, 980 * time.Millisecond},
		{"shorter than the offset", "0.2", 90 * time.Millisecond, 98 * time.Millisecond},
		{"huge", "1e300", maxTimeout - 500*time.Millisecond, maxTimeout - 300*time.Millisecond},
		{"infinite", "+Inf", maxTimeout - 500*time.Millisecond, maxTimeout - 300*time.Millisecond},
		{"zero", "0", 9500 * time.Millisecond, 9700 * time.Millisecond},
		{"negative", "-3", 9500 * time.Millisecond, 9700 * time.Millisecond},
		{"not a number", "NaN", 9500 * time.Millisecond, 9700 * time.Millisecond},
		{"not numeric", "soon", 9500 * time.Millisecond, 9700 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{}
			h.Set(timeoutHeader, test.header)
			got := newTiming(h, 10*time.Second, 250*time.Millisecond)
			if d := got.collect.Sub(got.start); d != test.collect {
				t.Errorf("collectors have %v, want %v", d, test.collect)
			}
			if d := got.answer.Sub(got.start); d != test.answer {
				t.Errorf("answer after %v, want %v", d, test.answer)
			}
		})
	}
}
