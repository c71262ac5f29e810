package imap_test

import (
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestDeviations reads three mails from servers that each differ from the rule
// in one way, and puts them away. The exporter is tested with the others.
func TestDeviations(t *testing.T) {
	t.Parallel()
	for _, deviation := range servers.IMAPDeviations() {
		t.Run(deviation.Name, func(t *testing.T) {
			t.Parallel()
			server := deviation.IMAP(t, report("a", 5), report("b", 5), report("c", 5))
			store, pipeline := pipeline(t)
			c := moving(fakeConfig(server.Address, pipeline))
			c.Timeout = 10 * time.Second
			if deviation.Want == "flagged" {
				flag := ingest.Action{Kind: ingest.AfterFlag}
				c.Counted, c.Known = flag, flag
			}
			source := open(t, c)
			run(t, source, pipeline.Deliver)
			realtest.Eventually(t, "15 messages, mails at "+deviation.Want, func() bool {
				return ingesttest.Sum(store, tally.Messages) == 15 && server.Settled() && source.Status().Up
			})
			if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
				t.Errorf("%d refused, want none", n)
			}
			if n := source.Status().Missed; n != 0 {
				t.Errorf("%d missed, want none", n)
			}
		})
	}
}
