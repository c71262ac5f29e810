package dmarc

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// input is what one scrape is made from.
type input struct {
	*tally.Snapshot
	sources []Source
}

// emit sends one sample; a zero created means a gauge, or a counter whose beginning is not known.
type emit func(value float64, created time.Time, labels ...string)

// row is one metric: everything about it in one place.
type row struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
	get        func(in *input, emit emit)
}

// table is every metric of the collector, in the order of documentation.
func table() []row {
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	return []row{
		{
			"dmarc_messages_total", "Messages in aggregate reports by disposition and aligned verdicts, counted when the report arrived.",
			counter,
			[]string{"domain", "disposition", "dkim", "spf"},
			family(tally.Messages),
		},
		{
			"dmarc_messages_by_class_total", "Messages in aggregate reports by how they authenticated.",
			counter,
			[]string{"domain", "class"},
			family(tally.ClassMessages),
		},
		{
			"dmarc_compliant_messages_total", "Messages in aggregate reports with an aligned pass of DKIM or SPF.",
			counter,
			[]string{"domain"},
			compliant,
		},
		{
			"dmarc_reporter_messages_total", "Messages in aggregate reports by reporting organisation.",
			counter,
			[]string{"reporter"},
			family(tally.ReporterMessages),
		},
		{
			"dmarc_reports_total", "Reports by kind, reporting organisation and outcome; refused inputs have kind unknown and result invalid.",
			counter,
			[]string{"kind", "reporter", "result"},
			family(tally.Reports),
		},
		{
			"dmarc_reports_duplicate_total", "Reports that were recognised as already counted.",
			counter, nil, outcome(tally.OutcomeDuplicate),
		},
		{
			"dmarc_reports_conflict_total", "Reports whose identity was known with other content.",
			counter, nil, outcome(tally.OutcomeConflict),
		},
		{
			"dmarc_reports_invalid_total", "Inputs that were refused, by reason.",
			counter,
			[]string{"reason"},
			refusals,
		},
		{
			"dmarc_report_warnings_total", "Tolerated deviations in reports by code.",
			counter,
			[]string{"code"},
			family(tally.Warnings),
		},
		{
			"dmarc_report_auth_total", "Reports by the authentication of the mail that carried them.",
			counter,
			[]string{"auth"},
			family(tally.Authenticated),
		},
		{
			"dmarc_report_last_end_timestamp_seconds", "When the period of the latest report about a domain ended, at most now.",
			gauge,
			[]string{"domain"},
			lastEnd,
		},
		{
			"dmarc_window_messages", "Messages of the last complete days in UTC, by the end of the reported period.",
			gauge,
			[]string{"domain", "window", "class"},
			windows,
		},
		{
			"dmarc_policy_published_info", "Policy that the latest report saw published, as labels; absent tags are empty.",
			gauge,
			[]string{"domain", "p", "sp", "np", "adkim", "aspf", "testing"},
			policies,
		},
		{
			"dmarc_tls_sessions_total", "SMTP sessions in TLS reports by policy type and result.",
			counter,
			[]string{"domain", "policy_type", "result"},
			family(tally.TLSSessions),
		},
		{
			"dmarc_tls_failures_total", "Failed SMTP sessions that TLS reports explain, by result type.",
			counter,
			[]string{"domain", "result_type"},
			family(tally.TLSFailures),
		},
		{
			"dmarc_failure_reports_total", "Incidents in failure reports by the check that failed.",
			counter,
			[]string{"domain", "auth_failure"},
			family(tally.Failures),
		},
		{
			"dmarc_series_overflow_total", "Times a name was counted as other because the budget of series is spent.",
			counter,
			[]string{"label"},
			overflow,
		},
		{
			"dmarc_state_created_timestamp_seconds", "When the state file was created: counters began no earlier.",
			gauge, nil, func(in *input, emit emit) { emit(float64(in.Created.Unix()), time.Time{}) },
		},
		{
			"dmarc_state_info", "Identity of the state file; another generation means that counting began anew.",
			gauge,
			[]string{"generation"},
			func(in *input, emit emit) { emit(1, time.Time{}, in.Generation) },
		},
		{
			"dmarc_source_up", "Whether a source of reports can be read (1) or not (0).",
			gauge,
			[]string{"source"},
			source(func(s *Source, emit emit) { emit(boolean(s.Up), time.Time{}, s.Name) }),
		},
		{
			"dmarc_source_backlog", "Inputs of a source that wait to be read.",
			gauge,
			[]string{"source"},
			source(func(s *Source, emit emit) { emit(float64(s.Backlog), time.Time{}, s.Name) }),
		},
		{
			"dmarc_source_last_success_timestamp_seconds", "When a source last delivered an input, since the start of the exporter.",
			gauge,
			[]string{"source"},
			source(func(s *Source, emit emit) {
				if !s.LastSuccess.IsZero() {
					emit(float64(s.LastSuccess.UnixMilli())/1000, time.Time{}, s.Name)
				}
			}),
		},
		{
			"dmarc_source_inputs_total", "Inputs of a source by outcome, since the start of the exporter.",
			counter,
			[]string{"source", "outcome"},
			source(func(s *Source, emit emit) {
				for outcome, n := range s.Inputs {
					emit(float64(n), time.Time{}, s.Name, outcome)
				}
			}),
		},
		{
			"dmarc_source_ingest_seconds_total", "Time spent on reading, decoding and committing the inputs of a source.",
			counter,
			[]string{"source"},
			source(func(s *Source, emit emit) { emit(s.Seconds, time.Time{}, s.Name) }),
		},
	}
}

// family emits every series of a family as it is.
func family(f tally.Family) func(*input, emit) {
	return func(in *input, emit emit) {
		for _, s := range in.Series[f] {
			emit(float64(s.Value), s.Created, s.Labels...)
		}
	}
}

// compliant sums the classes with an aligned pass. A domain with messages has
// the series even when none was compliant.
func compliant(in *input, emit emit) {
	type total struct {
		n       int64
		created time.Time
	}
	totals, order := map[string]*total{}, []string(nil)
	for _, s := range in.Series[tally.ClassMessages] {
		domain := s.Labels[0]
		t := totals[domain]
		if t == nil {
			t = &total{created: s.Created}
			totals[domain] = t
			order = append(order, domain)
		}
		if s.Created.Before(t.created) {
			t.created = s.Created
		}
		switch tally.Class(s.Labels[1]) {
		case tally.ClassAlignedBoth, tally.ClassDKIMOnly, tally.ClassSPFOnly:
			t.n += s.Value
		}
	}
	for _, domain := range order {
		emit(float64(totals[domain].n), totals[domain].created, domain)
	}
}

// outcome sums the reports of one outcome.
func outcome(o tally.Outcome) func(*input, emit) {
	return func(in *input, emit emit) {
		var n int64
		for _, s := range in.Series[tally.Reports] {
			if s.Labels[2] == string(o) {
				n += s.Value
			}
		}
		emit(float64(n), in.Created)
	}
}

// refusals has a series for each reason from the start, so that increase() sees the first.
func refusals(in *input, emit emit) {
	values := map[string]int64{}
	for _, s := range in.Series[tally.Refusals] {
		values[s.Labels[0]] = s.Value
	}
	for _, reason := range dmarc.Reasons() {
		emit(float64(values[string(reason)]), in.Created, string(reason))
	}
}

func overflow(in *input, emit emit) {
	values := map[string]int64{}
	for _, s := range in.Series[tally.Overflow] {
		values[s.Labels[0]] = s.Value
	}
	for _, label := range []string{"domain", "reporter"} {
		emit(float64(values[label]), in.Created, label)
	}
}

func lastEnd(in *input, emit emit) {
	for _, d := range in.Domains {
		if !d.LastEnd.IsZero() {
			emit(float64(d.LastEnd.Unix()), time.Time{}, d.Name)
		}
	}
}

func windows(in *input, emit emit) {
	for _, w := range in.Windows {
		emit(float64(w.Messages), time.Time{}, w.Domain, w.Window, string(w.Class))
	}
}

func policies(in *input, emit emit) {
	for _, d := range in.Domains {
		if p := d.Policy; p != nil {
			emit(1, time.Time{}, d.Name, string(p.P), string(p.SP), string(p.NP), string(p.ADKIM), string(p.ASPF), p.Testing)
		}
	}
}

// source emits something for each source.
func source(f func(*Source, emit)) func(*input, emit) {
	return func(in *input, emit emit) {
		for i := range in.sources {
			f(&in.sources[i], emit)
		}
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
