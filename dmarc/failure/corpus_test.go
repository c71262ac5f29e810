package failure

import (
	"io"
	"strconv"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/parsetest"
)

// TestSharedCorpus reads other people's reports where they lie beside the
// repository.
func TestSharedCorpus(t *testing.T) {
	ours := func(_, kind string) bool { return kind == "failure" || kind == "arf" }
	parsetest.Corpus(t, ours, func(t *testing.T, f io.Reader, column func(string) string) {
		r, err := Parse(f)
		if column("kind") == "arf" {
			if parsetest.Reason(err) != dmarc.ReasonNotDMARC {
				t.Errorf("error %v, want %s", err, dmarc.ReasonNotDMARC)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := column("domain"); r.Domain != want {
			t.Errorf("domain %q, want %q", r.Domain, want)
		}
		if want := column("messages"); strconv.FormatInt(r.Incidents, 10) != want {
			t.Errorf("%d incidents, want %s", r.Incidents, want)
		}
	})
}
