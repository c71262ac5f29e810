package dmarcconfig

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// TestPastBuckets reads buckets again with what was moved, which stays.
func TestPastBuckets(t *testing.T) {
	one := S3{Bucket: "reports", Region: "eu-west-1", Prefix: "in/", After: ingest.AfterMove, MovedPrefix: "done/", RefusedPrefix: "refused/"}
	within := one
	within.Bucket, within.MovedPrefix = "others", "in/done/"
	c := Sources{S3: []S3{one, within}}
	_, sources, err := c.Past(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, source := range sources {
		names = append(names, source.Status().Name)
	}
	if want := []string{"s3:reports/in/", "s3:reports/done/", "s3:others/in/"}; !slices.Equal(names, want) {
		t.Errorf("sources %q, want %q", names, want)
	}
	for _, s := range c.apart() {
		if b := s.S3[0]; b.After != ingest.AfterKeep || b.RefusedPrefix != "" || !b.Once {
			t.Errorf("%+v, want one that stays as it is", b)
		}
	}
}
