package failure_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// TestUnpackFindsFailures holds that package unpack gives out every mail that
// this package reads, once and as a failure report, and nothing from inside it.
func TestUnpackFindsFailures(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.Contains(file, "refused-evidence-only") {
			continue // to unpack this is a mail around the mail that it holds
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var kinds []unpack.Kind
			var refused error
			err = unpack.Walk(f, unpack.Limits{}, func(doc *unpack.Document) error {
				kinds = append(kinds, doc.Kind)
				_, refused = failure.Parse(doc.Reader)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(kinds) != 1 || kinds[0] != unpack.KindFailure {
				t.Errorf("found %q, want one failure report", kinds)
			}
			if want := strings.Contains(file, "refused-"); (refused != nil) != want {
				t.Errorf("error %v, want one is %v", refused, want)
			}
		})
	}
}
