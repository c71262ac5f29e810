package dmarc

import (
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// row is one metric: everything about it in one place.
type row = collect.Row[*input]

// table is every metric of the collector, in the order of documentation.
func table() []row {
	rows := append(messageRows(), reportRows()...)
	return append(append(rows, stateRows()...), ownRows()...)
}

// ownRows are about this process, be there others that share the counts or not.
func ownRows() []row {
	return append([]row{
		collect.Gauge(
			"dmarc_up",
			"Whether reports can be counted: 0 when the last transaction on the state file failed.",
			func(in *input, to collect.Series) { to.Flag(in.Err == nil) },
		),
		collect.Gauge(
			"dmarc_clock_implausible",
			"Whether the clock cannot be right: while it is 1 nothing is counted, and inputs wait.",
			func(in *input, to collect.Series) { to.Flag(in.Clock != nil) },
		),
		collect.Gauge(
			"dmarc_replica_leading",
			"Whether this is the process, of those that share a database, that reads the sources and exposes the counts.",
			func(in *input, to collect.Series) {
				if in.replica {
					to.Flag(in.leads)
				}
			},
		),
	}, sourceRows()...)
}

// messageRows are what reports say about messages and sessions.
func messageRows() []row {
	return []row{
		collect.Counter(
			"dmarc_messages_total",
			"Messages in aggregate reports by disposition and aligned verdicts, counted when the report arrived.",
			family(tally.Messages), "domain", "disposition", "dkim", "spf",
		),
		collect.Counter(
			"dmarc_messages_by_class_total",
			"Messages in aggregate reports by how they authenticated.",
			family(tally.ClassMessages), "domain", "class",
		),
		collect.Counter(
			"dmarc_authentic_messages_total",
			"Messages in aggregate reports whose mail was sent by the reporter, by how they authenticated; domains without such reports have none.",
			family(tally.AuthenticMessages), "domain", "class",
		),
		collect.Counter(
			"dmarc_messages_by_source_total",
			"Messages in aggregate reports by sending service and whether they had an aligned pass of DKIM or SPF.",
			family(tally.SourceMessages), "domain", "source", "compliant",
		),
		collect.Counter(
			"dmarc_compliant_messages_total",
			"Messages in aggregate reports with an aligned pass of DKIM or SPF.",
			compliant, "domain",
		),
		collect.Counter(
			"dmarc_reporter_messages_total",
			"Messages in aggregate reports by reporting organisation.",
			family(tally.ReporterMessages), "reporter",
		),
		collect.Counter(
			"dmarc_authentic_reporter_messages_total",
			"Messages in aggregate reports whose mail was sent by the reporter, by reporting organisation; those without such reports have none.",
			family(tally.AuthenticReporterMessages), "reporter",
		),
		collect.Gauge(
			"dmarc_window_messages",
			"Messages of the last complete days in UTC, by the end of the reported period.",
			windows, "domain", "window", "class",
		),
		collect.Counter(
			"dmarc_tls_sessions_total",
			"SMTP sessions in TLS reports by policy type and result.",
			family(tally.TLSSessions), "domain", "policy_type", "result",
		),
		collect.Counter(
			"dmarc_tls_failures_total",
			"Failed SMTP sessions that TLS reports explain, by result type.",
			family(tally.TLSFailures), "domain", "result_type",
		),
		collect.Counter(
			"dmarc_failure_reports_total",
			"Incidents in failure reports by the check that failed.",
			family(tally.Failures), "domain", "auth_failure",
		),
	}
}

// reportRows are about the reports themselves.
func reportRows() []row {
	return []row{
		collect.Counter(
			"dmarc_reports_total",
			"Reports by kind, reporting organisation and what became of them. Refused inputs have the result invalid.",
			family(tally.Reports), "kind", "reporter", "result",
		),
		collect.Counter(
			"dmarc_reports_duplicate_total",
			"Reports that were recognised as already counted.",
			outcome(tally.OutcomeDuplicate),
		),
		collect.Counter(
			"dmarc_reports_conflict_total",
			"Reports whose identity was known with other content.",
			outcome(tally.OutcomeConflict),
		),
		collect.Counter(
			"dmarc_reports_invalid_total",
			"Inputs that were refused, by reason.",
			family(tally.Refusals), "reason",
		),
		collect.Counter(
			"dmarc_report_warnings_total",
			"Counted reports with a tolerated deviation, by its code.",
			family(tally.Warnings), "code",
		),
		collect.Counter(
			"dmarc_report_auth_total",
			"Reports by the authentication of the mail that carried them.",
			family(tally.Authenticated), "auth",
		),
		collect.Gauge(
			"dmarc_report_delay_seconds",
			"Time from the end of a reported period until the report was counted.",
			func(in *input, to collect.Series) {
				to.Histogram(collect.Buckets(in.Delay.Count, in.Delay.Sum, in.Delay.Buckets, in.Delay.Created))
			},
		),
		collect.Gauge(
			"dmarc_report_last_end_timestamp_seconds",
			"When the period of the latest aggregate report about a domain ended, of an authentic one while there are any, at most when it was counted; 0 for a configured domain without any.",
			lastEnd, "domain",
		),
		collect.Gauge(
			"dmarc_reporter_last_end_timestamp_seconds",
			"When the period of the latest aggregate report in the name of a reporting organisation ended, at most when it was counted.",
			reporterEnds, "reporter",
		),
		collect.Gauge(
			"dmarc_policy_published_info",
			"Policy that the latest aggregate report saw published, an authentic one while there are any, as labels; absent tags are empty.",
			policies, "domain", "p", "sp", "np", "adkim", "aspf", "testing",
		),
	}
}

// stateRows are about the file behind the numbers.
func stateRows() []row {
	return []row{
		collect.Counter(
			"dmarc_series_overflow_total",
			"Times a name was counted as other because the budget of series is spent.",
			family(tally.Overflow), "label",
		),
		collect.Counter(
			"dmarc_tenant_series_overflow_total",
			"Times a name in a report to a tenant was counted as other because the tenant's part of the budget of series is spent.",
			family(tally.TenantOverflow), "tenant", "label",
		),
		collect.Gauge(
			"dmarc_tenant_series",
			"Series that exist because of reports to a tenant: those that the tenant's part of the budget bounds.",
			func(in *input, to collect.Series) {
				for _, t := range in.Tenants {
					to.Value(float64(t.Used), t.Name)
				}
			}, "tenant",
		),
		collect.Gauge(
			"dmarc_tenant_series_limit",
			"Series that may exist because of reports to a tenant.",
			func(in *input, to collect.Series) {
				for _, t := range in.Tenants {
					to.Value(float64(t.Budget), t.Name)
				}
			}, "tenant",
		),
		collect.Gauge(
			"dmarc_state_created_timestamp_seconds",
			"When the state file was created: counters began no earlier.",
			func(in *input, to collect.Series) { timestamp(to, in.Created) },
		),
		collect.Gauge(
			"dmarc_state_info",
			"Identity of the state file; another generation means that counting began anew.",
			func(in *input, to collect.Series) { to.Value(1, in.Generation) }, "generation",
		),
		collect.Gauge(
			"dmarc_state_reports",
			"Reports that the state file remembers, to recognise them when they come again.",
			func(in *input, to collect.Series) { to.Value(float64(in.Identities)) },
		),
		collect.Gauge(
			"dmarc_state_size_bytes",
			"Size of the state file.",
			func(in *input, to collect.Series) { to.Value(float64(in.Bytes)) },
		),
	}
}

// sourceRows are about the sources of reports. Their number is the operator's choice.
func sourceRows() []row {
	return []row{
		collect.Gauge(
			"dmarc_source_up",
			"Whether a source of reports can be read (1) or not (0).",
			source(func(s *Source, to collect.Series) { to.Flag(s.Up, s.Name) }), "source",
		),
		collect.Gauge(
			"dmarc_source_backlog",
			"Inputs of a source that wait to be read.",
			source(func(s *Source, to collect.Series) { to.Value(float64(s.Backlog), s.Name) }), "source",
		),
		collect.Counter(
			"dmarc_source_missed_inputs_total",
			"Inputs that a source listed and that were gone before they could be read, since the start of the exporter.",
			source(func(s *Source, to collect.Series) { to.Value(float64(s.Missed), s.Name) }), "source",
		),
		collect.Counter(
			"dmarc_source_panics_total",
			"Panics of a source that were caught, since the start of the exporter.",
			source(func(s *Source, to collect.Series) { to.Value(float64(s.Panics), s.Name) }), "source",
		),
		collect.Gauge(
			"dmarc_source_connections",
			"Clients that are connected to a source that listens for mail.",
			listener(func(s *Source, to collect.Series) { to.Value(float64(s.Listener.Open), s.Name) }), "source",
		),
		collect.Counter(
			"dmarc_source_connections_total",
			"Clients that connected to a source that listens for mail, since the start of the exporter.",
			listener(func(s *Source, to collect.Series) { to.Value(float64(s.Listener.Accepted), s.Name) }), "source",
		),
		collect.Counter(
			"dmarc_source_rejections_total",
			"Connections, recipients and mails that a source that listens for mail turned away or cut off, by reason, since the start of the exporter.",
			listener(func(s *Source, to collect.Series) {
				for reason, n := range s.Listener.Rejections {
					to.Value(float64(n), s.Name, reason)
				}
			}), "source", "reason",
		),
		collect.Gauge(
			"dmarc_source_last_success_timestamp_seconds",
			"When an input of a source was last taken, before the start of the exporter too; 0 when none ever was.",
			lastSuccess, "source",
		),
		collect.Counter(
			"dmarc_source_inputs_total",
			"Inputs of a source by outcome, since the start of the exporter.",
			source(func(s *Source, to collect.Series) {
				for outcome, n := range s.Inputs {
					to.Value(float64(n), s.Name, outcome)
				}
			}), "source", "outcome",
		),
		collect.Counter(
			"dmarc_source_ingest_seconds_total",
			"Time spent on reading, decoding and committing the inputs of a source, since the start of the exporter.",
			source(func(s *Source, to collect.Series) { to.Value(s.Seconds, s.Name) }), "source",
		),
	}
}

// listener is source for those that listen.
func listener(get func(s *Source, to collect.Series)) func(in *input, to collect.Series) {
	return source(func(s *Source, to collect.Series) {
		if s.Listener != nil {
			get(s, to)
		}
	})
}
