package main

import (
	"context"
	"errors"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
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
	step       model.Duration
	labels     map[string]string
	state      serving.StateOptions
}

// addFlags declares the flags.
func (o *backfillOptions) addFlags(c *kingpin.CmdClause) {
	c.Flag("format", "Output format.").Default("openmetrics").Enum("openmetrics")
	c.Flag("settled", "Minimum age of the days that are printed: reports about more recent days may still arrive.").Default("4d").SetValue(&o.settled)
	c.Flag("step", "Time between samples. Each report is spread evenly over its period. It must divide a day.").Default("15m").SetValue(&o.step)
	o.labels = map[string]string{}
	c.Flag("label", "Label that all series get, as NAME=VALUE, such as job and instance of the exporter whose past is filled. Repeatable.").StringMapVar(&o.labels)
	c.Flag("config.file", "Configuration file of serve, for its domains and senders.").StringVar(&o.configFile)
	c.Flag("domain", "Domain that you own, as for serve. Repeatable.").SetValue(&o.domains)
	c.Flag("budget.series", "Maximum number of series of domains, reporters and senders together, as for serve.").Default("2000").IntVar(&o.series)
	o.state.AddFlags(c, " It is not read when files are named.")
	shareVariables(c)
}

// run is the command backfill.
func (o *backfillOptions) run(ctx context.Context, streams reportfiles.Streams, paths []string) (err error) {
	c, err := dmarcconfig.Load(o.configFile)
	if err != nil {
		return err
	}
	senders, err := c.Names(nil)
	if err != nil {
		return err
	}
	var v *store.View
	if len(paths) == 0 {
		engine, err := o.state.Engine(0)
		if err != nil {
			return err
		}
		if v, err = engine.View(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, v.Close()) }()
	}
	return reportfiles.Backfill(ctx, streams, v, paths, reportfiles.BackfillConfig{
		Settled: time.Duration(o.settled), Step: time.Duration(o.step), Labels: o.labels, Domains: append(o.domains.Strings(), c.Domains.Strings()...), Series: o.series, Sender: senders.Label,
	})
}
