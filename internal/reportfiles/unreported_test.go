package reportfiles

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// TestLogUnreported names domains that never had a report, if others have.
func TestLogUnreported(t *testing.T) {
	never, reported := tally.Domain{Name: "shop.exmaple", Configured: true}, tally.Domain{Name: "example.com", Configured: true, LastEnd: time.Unix(1, 0)}
	var many []tally.Domain
	for i := range 30 {
		many = append(many, tally.Domain{Name: fmt.Sprintf("d%d.example", i), Configured: true})
	}
	for _, tt := range []struct {
		name    string
		domains []tally.Domain
		foreign int64
		want    string
	}{
		{"misspelt", []tally.Domain{reported, never}, 7, "domains=[shop.exmaple] count=1 foreign_messages=7"},
		{"nothing comes", []tally.Domain{reported, never}, 0, ""},
		{"all reported", []tally.Domain{reported}, 7, ""},
		{"learnt", []tally.Domain{{Name: "shop.example"}}, 7, ""},
		{"many", many, 7, "d19.example] count=30"},
	} {
		var log bytes.Buffer
		logUnreported(slog.New(slog.NewTextHandler(&log, nil)), &tally.Snapshot{
			Domains: tt.domains, Series: map[tally.Family][]tally.Series{tally.Messages: {{Labels: []string{tally.Foreign, "none", "fail", "fail"}, Value: tt.foreign}}},
		})
		if got := strings.ReplaceAll(log.String(), `"`, ""); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: log %q, want %q", tt.name, got, tt.want)
		}
	}
}
