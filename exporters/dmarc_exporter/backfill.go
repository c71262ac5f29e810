package main

import (
	"context"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"

	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
)

// backfillOptions are the flags of backfill.
type backfillOptions struct {
	settled    model.Duration
	configFile string
	domains    config.Domains
	series     int
}

// addFlags declares the flags.
func (o *backfillOptions) addFlags(c *kingpin.CmdClause) {
	c.Flag("format", "Output format.").Default("openmetrics").Enum("openmetrics")
	c.Flag("settled", "Minimum age of the days that are printed: reports about more recent days may still arrive.").Default("4d").SetValue(&o.settled)
	c.Flag("config.file", "Configuration file of serve, for its domains and senders.").StringVar(&o.configFile)
	c.Flag("domain", "Domain that you own, as for serve. Repeatable.").SetValue(&o.domains)
	c.Flag("budget.series", "Maximum number of series of domains, reporters and senders together, as for serve.").Default("2000").IntVar(&o.series)
}

// run is the command backfill.
func (o *backfillOptions) run(ctx context.Context, streams reportfiles.Streams, paths []string) error {
	c, err := dmarcconfig.Load(o.configFile)
	if err != nil {
		return err
	}
	senders, err := c.Names(nil)
	if err != nil {
		return err
	}
	return reportfiles.Backfill(ctx, streams, paths, reportfiles.BackfillConfig{
		Settled: time.Duration(o.settled), Domains: append(o.domains.Strings(), c.Domains.Strings()...), Series: o.series, Sender: senders.Label,
	})
}
