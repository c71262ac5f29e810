package dmarc_test

import (
	"testing"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// TestCompatGolden holds the names and labels of dmarc-metrics-exporter.
func TestCompatGolden(t *testing.T) {
	state := open(t, tally.Config{Signers: true})
	e := report("Example Mail", "shop.example", "1")
	e.Signers = map[tally.Signer]tally.SignerSums{
		{From: "shop.example", DKIM: "shop.example", SPF: "bounce.shop.example"}: {9, 9, 0, 0, 7, 8, 9, 9},
		{From: "shop.example", SPF: "bulk.example"}:                              {3, 0, 0, 3, 0, 3, 0, 0},
	}
	commit(t, state, &store.Delivery{Entries: []*tally.Entry{e, e}, Refused: []store.Refusal{{Reason: dmarc.ReasonSyntax}, {Reason: dmarc.ReasonEmpty}}})
	metrictest.Golden(t, collector.NewCompat(state), "testdata/compat.prom")
}
