package dmarc

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/state"
)

// StateOptions are the flags that say where the state is.
type StateOptions struct {
	StateFile string
	Database  string
}

// AddFlags declares the flags; help goes on with that of the file.
func (o *StateOptions) AddFlags(c *kingpin.CmdClause, help string) {
	c.Flag("state.file", "State file, an SQLite database with the counts and the reports."+help).Default("dmarc_exporter.db").StringVar(&o.StateFile)
	c.Flag("state.database", "PostgreSQL database that is used instead of the state file, as postgres://user@host/name. The password comes from PGPASSFILE or PGPASSWORD.").StringVar(&o.Database)
}

// Engine returns the engine of the database.
func (o *StateOptions) Engine(maxBytes int64) (store.Engine, error) {
	engine, err := state.Engine(o.StateFile, maxBytes, o.Database)
	if err != nil {
		return nil, &UsageError{err}
	}
	return engine, nil
}

// CountOptions are the flags of what counts reports.
type CountOptions struct {
	StateOptions
	shared     bool
	ConfigFile string
	horizon    model.Duration
	Domains    config.Domains
	reporters  []string
	Series     int
	conflicts  string
	twins      string
	maxBytes   units.Base2Bytes
	Compat     bool
	Records    string
	retention  model.Duration
	originals  bool
	limits     tally.Limits
}

// AddFlags declares the flags.
func (o *CountOptions) AddFlags(c *kingpin.CmdClause) {
	o.StateOptions.AddFlags(c, " It is created if it does not exist.")
	c.Flag("state.shared", "Let other processes with this flag use the PostgreSQL database too. All accept reports; one of them, which another one replaces when it ends, reads mailboxes and files and exposes the counts.").BoolVar(&o.shared)
	o.AddCounting(c)
	c.Flag("limit.record-messages", "Maximum number of messages in one record of a report. A report with more is refused as absurd.").Default("100000000").Int64Var(&o.limits.RecordMessages)
	c.Flag("limit.report-messages", "Maximum number of messages in one report. A report with more is refused as absurd.").Default("1000000000").Int64Var(&o.limits.ReportMessages)
	c.Flag("limit.work", "Maximum work to read the reports of one input, in units of about 25 ns, of which a record costs 60 and more, a byte of a TLS report 4. Above it, reports are refused as too_costly.").Default("50000000").Int64Var(&o.limits.Work)
}

// AddCounting adds those that say how reports are counted and kept.
func (o *CountOptions) AddCounting(c *kingpin.CmdClause) {
	c.Flag("state.horizon", "How long reports are remembered. Older reports are not counted.").Default("400d").SetValue(&o.horizon)
	c.Flag("state.max-bytes", "Maximum size of the state file, such as 512MB. Nothing is counted while it is exceeded. Use 0 for no limit.").Default("0").BytesVar(&o.maxBytes)
	c.Flag("records", "Records of aggregate reports that are kept in the state file: all, those without an aligned pass, or none. With off, no report is kept at all, only counts.").
		Default(string(store.RecordsAll)).EnumVar(&o.Records, string(store.RecordsOff), string(store.RecordsFailing), string(store.RecordsAll))
	c.Flag("records.retention", "How long reports are kept after the end of their period. Counts do not change when reports are deleted.").
		Default("400d").SetValue(&o.retention)
	c.Flag("records.originals", "Keep failure reports as they were received. They hold addresses and contents of private mail; without this flag only domains are kept.").
		BoolVar(&o.originals)
	c.Flag("domain", "Domain that you own. Reports about other domains are counted with domain=\"foreign\". Repeatable. Without it, domains are learned from the reports.").SetValue(&o.Domains)
	c.Flag("reporter", "Name of a reporter, as in its reports, that always has a label of its own, as well-known ones have. Repeatable.").StringsVar(&o.reporters)
	c.Flag("budget.series", "Maximum number of series of domains, reporters and senders together. Further label values are replaced by \"other\".").Default("2000").IntVar(&o.Series)
	c.Flag("dedupe.conflicts", "Skip or count a report that is already known with different content.").Default("skip").EnumVar(&o.conflicts, "skip", "count")
	c.Flag("dedupe.twins", "Skip or count a report that differs from a known one only in its id.").Default("count").EnumVar(&o.twins, "skip", "count")
	c.Flag("compat.dmarc-metrics-exporter", "Also expose the metrics of dmarc-metrics-exporter, with its names and labels.").BoolVar(&o.Compat)
}

// Open opens the store, and returns what makes this process lead those that share
// it; nil without --state.shared.
func (o *CountOptions) Open(ctx context.Context, c *dmarcconfig.File) (s *store.Store, lead state.Lead, err error) {
	engine, err := o.Engine(int64(o.maxBytes))
	if err != nil {
		return nil, nil, err
	}
	if o.shared {
		if engine, lead, err = state.Share(engine); err != nil {
			return nil, nil, &UsageError{err}
		}
	}
	s, err = store.Open(ctx, engine, store.Config{
		Counts: tally.Config{
			Horizon: time.Duration(o.horizon), Domains: c.Domains.Strings(), Tenants: c.Tenants.Counts(), Reporters: o.reporters, Budget: o.Series,
			CountConflicts: o.conflicts == "count", SkipTwins: o.twins == "skip", Signers: o.Compat,
		},
		Records: store.Records(o.Records), Retention: time.Duration(o.retention), Clock: store.Clock{Built: exporter.Built()},
	})
	return s, lead, err
}

// Pipeline returns how inputs are read.
func (o *CountOptions) Pipeline(logger *slog.Logger) ingest.PipelineConfig {
	return ingest.PipelineConfig{
		Logger: logger, Signers: o.Compat, Originals: o.originals, Limits: o.limits,
		Keep: store.DraftConfig{Records: store.Records(o.Records), Dir: filepath.Dir(o.StateFile)},
	}
}

// ServeOptions are the flags of serve.
type ServeOptions struct {
	CountOptions
	Dirs         []string
	maildirs     []string
	Mboxes       []string
	After        string
	Refused      string
	Rescan       time.Duration
	follow       bool
	Pages        bool
	pagesAddress string
	Archive      ArchiveOptions
	Users        exporter.Users
}

// AddFlags declares the flags.
func (o *ServeOptions) AddFlags(c *kingpin.CmdClause) {
	c.Flag("config.file", "YAML file with sources, in addition to those of the flags. It is reloaded on SIGHUP, and on POST /-/reload if that is enabled.").StringVar(&o.ConfigFile)
	c.Flag("source.dir", "Directory with report files. Repeatable.").StringsVar(&o.Dirs)
	c.Flag("source.maildir", "Maildir with report mails. Repeatable.").StringsVar(&o.maildirs)
	c.Flag("source.mbox", "File with report mails in mbox format. It is never modified. Repeatable.").StringsVar(&o.Mboxes)
	c.Flag("source.after", "What happens to files of directories and Maildirs after they are counted: keep them, move them to done/, or delete them.").
		Default(string(ingest.AfterKeep)).EnumVar(&o.After, string(ingest.AfterKeep), string(ingest.AfterMove), string(ingest.AfterDelete))
	c.Flag("source.refused", "What happens to files without a valid report: move them to invalid/<reason>/, or keep them.").
		Default(string(dmarcconfig.RefusedMove)).EnumVar(&o.Refused, string(dmarcconfig.RefusedMove), string(dmarcconfig.RefusedKeep))
	c.Flag("source.rescan", "How often all files are scanned, in addition to file notifications.").
		Default("30s").DurationVar(&o.Rescan)
	c.Flag("source.follow-links", "Also read files that symbolic links in directories and Maildirs, or in place of an mbox, lead to.").BoolVar(&o.follow)
	c.Flag("web.pages", "Serve pages about the reports that are kept, beside the metrics. Whoever can reach the port can then read them.").Default("true").BoolVar(&o.Pages)
	c.Flag("web.pages-address", "Address of a listener for the pages alone, such as 127.0.0.1:9798; --web.config.file holds for it, too. Without it they are beside the metrics.").StringVar(&o.pagesAddress)
	o.CountOptions.AddFlags(c)
	o.Archive.addFlags(c)
}

// Load returns the configuration: the file, if there is one, and the flags. It is
// complete, for the start as for a reload.
func (o *ServeOptions) Load() (*dmarcconfig.File, error) {
	c, err := dmarcconfig.Load(o.ConfigFile)
	if err != nil {
		return nil, err
	}
	f := o.flagSources()
	// Those of the file come first: errors name them by their index.
	c.Sources.Directories = append(c.Sources.Directories, f.Directories...)
	c.Sources.Maildirs = append(c.Sources.Maildirs, f.Maildirs...)
	c.Sources.Mboxes = append(c.Sources.Mboxes, f.Mboxes...)
	c.Domains = append(c.Domains, o.Domains...)
	if c.Sources.Empty() {
		return nil, dmarcconfig.ErrNoSources
	}
	return c, errors.Join(c.CheckBudget(o.Series), o.Archive.check(&c.Sources))
}

// flagSources makes a configuration of the --source flags.
func (o *ServeOptions) flagSources() dmarcconfig.Sources {
	list := func(paths []string, after ingest.After) []dmarcconfig.Folder {
		var out []dmarcconfig.Folder
		for _, path := range paths {
			out = append(out, dmarcconfig.Folder{
				Path: config.Path(path), After: after, Refused: dmarcconfig.Refused(o.Refused), Rescan: o.Rescan, FollowLinks: o.follow,
			})
		}
		return out
	}
	return dmarcconfig.Sources{
		Directories: list(o.Dirs, ingest.After(o.After)),
		Maildirs:    list(o.maildirs, ingest.After(o.After)),
		Mboxes:      list(o.Mboxes, ingest.AfterKeep),
	}
}
