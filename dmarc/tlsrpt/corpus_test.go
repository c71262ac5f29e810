package tlsrpt

import (
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/parsetest"
)

// TestSharedCorpus reads other people's reports where they lie beside the
// repository. Those in containers are the business of package unpack.
func TestSharedCorpus(t *testing.T) {
	ours := func(path, kind string) bool { return kind == "tls" && filepath.Ext(path) == ".json" }
	parsetest.Corpus(t, ours, func(t *testing.T, f io.Reader, column func(string) string) {
		r, err := Parse(f)
		if column("expected") == "error" {
			if err == nil {
				t.Error("accepted, want an error")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if column("expected") == "ok-recover" && len(r.Warnings) == 0 {
			t.Error("no warning, want at least one")
		}
		for name, got := range map[string]string{
			"records":   strconv.Itoa(len(r.Policies)),
			"messages":  strconv.FormatInt(r.Sessions(), 10),
			"pass_msgs": strconv.FormatInt(r.Successful(), 10),
			"org":       r.OrganizationName,
			"begin":     strconv.FormatInt(r.Start.Unix(), 10),
			"end":       strconv.FormatInt(r.End.Unix(), 10),
			"report_id": r.ReportID,
		} {
			if want := column(name); got != want && want != "-" {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		if want := column("domain"); want != "-" && !slices.Equal(r.Domains(), []string{want}) {
			t.Errorf("domains are %q, want %s", r.Domains(), want)
		}
	})
}
