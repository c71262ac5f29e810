package dmarc

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// row is one metric: everything about it in one place.
type row struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
	get        func(in *input, out *output)
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// table is every metric of the collector, in the order of documentation.
func table() []row {
	rows := append(messageRows(), reportRows()...)
	return append(append(rows, stateRows()...), sourceRows()...)
}

// messageRows are what reports say about messages and sessions.
func messageRows() []row {
	return []row{
		{
			"dmarc_messages_total",
			"Messages in aggregate reports by disposition and aligned verdicts, counted when the report arrived.",
			counter, list("domain", "disposition", "dkim", "spf"), family(tally.Messages),
		},
		{
			"dmarc_messages_by_class_total",
			"Messages in aggregate reports by how they authenticated.",
			counter, list("domain", "class"), family(tally.ClassMessages),
		},
		{
			"dmarc_authentic_messages_total",
			"Messages in aggregate reports whose mail was sent by the reporter, by how they authenticated; domains without such reports have none.",
			counter, list("domain", "class"), family(tally.AuthenticMessages),
		},
		{
			"dmarc_messages_by_source_total",
			"Messages in aggregate reports by sending service and whether they had an aligned pass of DKIM or SPF.",
			counter, list("domain", "source", "compliant"), family(tally.SourceMessages),
		},
		{
			"dmarc_compliant_messages_total",
			"Messages in aggregate reports with an aligned pass of DKIM or SPF.",
			counter, list("domain"), compliant,
		},
		{
			"dmarc_reporter_messages_total",
			"Messages in aggregate reports by reporting organisation.",
			counter, list("reporter"), family(tally.ReporterMessages),
		},
		{
			"dmarc_authentic_reporter_messages_total",
			"Messages in aggregate reports whose mail was sent by the reporter, by reporting organisation; those without such reports have none.",
			counter, list("reporter"), family(tally.AuthenticReporterMessages),
		},
		{
			"dmarc_window_messages",
			"Messages of the last complete days in UTC, by the end of the reported period.",
			gauge, list("domain", "window", "class"), windows,
		},
		{
			"dmarc_tls_sessions_total",
			"SMTP sessions in TLS reports by policy type and result.",
			counter, list("domain", "policy_type", "result"), family(tally.TLSSessions),
		},
		{
			"dmarc_tls_failures_total",
			"Failed SMTP sessions that TLS reports explain, by result type.",
			counter, list("domain", "result_type"), family(tally.TLSFailures),
		},
		{
			"dmarc_failure_reports_total",
			"Incidents in failure reports by the check that failed.",
			counter, list("domain", "auth_failure"), family(tally.Failures),
		},
	}
}

// reportRows are about the reports themselves.
func reportRows() []row {
	return []row{
		{
			"dmarc_reports_total",
			"Reports by kind, reporting organisation and what became of them. Refused inputs have the result invalid.",
			counter, list("kind", "reporter", "result"), family(tally.Reports),
		},
		{
			"dmarc_reports_duplicate_total",
			"Reports that were recognised as already counted.",
			counter, nil, outcome(tally.OutcomeDuplicate),
		},
		{
			"dmarc_reports_conflict_total",
			"Reports whose identity was known with other content.",
			counter, nil, outcome(tally.OutcomeConflict),
		},
		{
			"dmarc_reports_invalid_total",
			"Inputs that were refused, by reason.",
			counter, list("reason"), family(tally.Refusals),
		},
		{
			"dmarc_report_warnings_total",
			"Counted reports with a tolerated deviation, by its code.",
			counter, list("code"), family(tally.Warnings),
		},
		{
			"dmarc_report_auth_total",
			"Reports by the authentication of the mail that carried them.",
			counter, list("auth"), family(tally.Authenticated),
		},
		{
			"dmarc_report_delay_seconds",
			"Time from the end of a reported period until the report was counted.",
			0, nil, func(in *input, out *output) { out.histogram(&in.Delay) },
		},
		{
			"dmarc_report_last_end_timestamp_seconds",
			"When the period of the latest aggregate report about a domain ended, of an authentic one while there are any, at most when it was counted; 0 for a configured domain without any.",
			gauge, list("domain"), lastEnd,
		},
		{
			"dmarc_policy_published_info",
			"Policy that the latest aggregate report saw published, an authentic one while there are any, as labels; absent tags are empty.",
			gauge, list("domain", "p", "sp", "np", "adkim", "aspf", "testing"), policies,
		},
	}
}

// stateRows are about the file behind the numbers.
func stateRows() []row {
	return []row{
		{
			"dmarc_up",
			"Whether reports can be counted: 0 when the last transaction on the state file failed.",
			gauge, nil, func(in *input, out *output) { out.value(boolean(in.Err == nil)) },
		},
		{
			"dmarc_clock_implausible",
			"Whether the clock cannot be right: while it is 1 nothing is counted, and inputs wait.",
			gauge, nil, func(in *input, out *output) { out.value(boolean(in.Clock != nil)) },
		},
		{
			"dmarc_series_overflow_total",
			"Times a name was counted as other because the budget of series is spent.",
			counter, list("label"), family(tally.Overflow),
		},
		{
			"dmarc_state_created_timestamp_seconds",
			"When the state file was created: counters began no earlier.",
			gauge, nil, func(in *input, out *output) { out.timestamp(in.Created) },
		},
		{
			"dmarc_state_info",
			"Identity of the state file; another generation means that counting began anew.",
			gauge, list("generation"), func(in *input, out *output) { out.value(1, in.Generation) },
		},
		{
			"dmarc_state_reports",
			"Reports that the state file remembers, to recognise them when they come again.",
			gauge, nil, func(in *input, out *output) { out.value(float64(in.Identities)) },
		},
		{
			"dmarc_state_size_bytes",
			"Size of the state file.",
			gauge, nil, func(in *input, out *output) { out.value(float64(in.Bytes)) },
		},
	}
}

// sourceRows are about the sources of reports. Their number is the operator's choice.
func sourceRows() []row {
	return []row{
		{
			"dmarc_source_up",
			"Whether a source of reports can be read (1) or not (0).",
			gauge, list("source"), source(func(s *Source, out *output) { out.value(boolean(s.Up), s.Name) }),
		},
		{
			"dmarc_source_backlog",
			"Inputs of a source that wait to be read.",
			gauge, list("source"), source(func(s *Source, out *output) { out.value(float64(s.Backlog), s.Name) }),
		},
		{
			"dmarc_source_missed_inputs_total",
			"Inputs that a source listed and that were gone before they could be read, since the start of the exporter.",
			counter, list("source"), source(func(s *Source, out *output) { out.value(float64(s.Missed), s.Name) }),
		},
		{
			"dmarc_source_panics_total",
			"Panics of a source that were caught, since the start of the exporter.",
			counter, list("source"), source(func(s *Source, out *output) { out.value(float64(s.Panics), s.Name) }),
		},
		{
			"dmarc_source_connections",
			"Clients that are connected to a source that listens for mail.",
			gauge, list("source"), listener(func(s *Source, out *output) { out.value(float64(s.Listener.Open), s.Name) }),
		},
		{
			"dmarc_source_connections_total",
			"Clients that connected to a source that listens for mail, since the start of the exporter.",
			counter, list("source"), listener(func(s *Source, out *output) { out.value(float64(s.Listener.Accepted), s.Name) }),
		},
		{
			"dmarc_source_rejections_total",
			"Connections, recipients and mails that a source that listens for mail turned away or cut off, by reason, since the start of the exporter.",
			counter, list("source", "reason"), listener(func(s *Source, out *output) {
				for reason, n := range s.Listener.Rejections {
					out.value(float64(n), s.Name, reason)
				}
			}),
		},
		{
			"dmarc_source_last_success_timestamp_seconds",
			"When an input of a source was last taken, before the start of the exporter too; 0 when none ever was.",
			gauge, list("source"), lastSuccess,
		},
		{
			"dmarc_source_inputs_total",
			"Inputs of a source by outcome, since the start of the exporter.",
			counter, list("source", "outcome"), source(func(s *Source, out *output) {
				for outcome, n := range s.Inputs {
					out.value(float64(n), s.Name, outcome)
				}
			}),
		},
		{
			"dmarc_source_ingest_seconds_total",
			"Time spent on reading, decoding and committing the inputs of a source, since the start of the exporter.",
			counter, list("source"), source(func(s *Source, out *output) { out.value(s.Seconds, s.Name) }),
		},
	}
}

// listener is source for those that listen.
func listener(get func(s *Source, out *output)) func(in *input, out *output) {
	return source(func(s *Source, out *output) {
		if s.Listener != nil {
			get(s, out)
		}
	})
}

func list(labels ...string) []string { return labels }
