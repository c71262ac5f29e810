package store

import (
	"context"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// KeptRefusal is a refusal that is kept.
type KeptRefusal struct {
	Refusal
	At     time.Time
	Source string
}

// RefusalQuestion asks what was refused. Its zero value asks for all.
type RefusalQuestion struct {
	Reason    dmarc.Reason // empty means any
	Source    string       // empty means any
	Skip, Top int          // as those of a ReportQuestion
}

// AskRefusals returns what was refused, the newest first, and how much there is in all.
func AskRefusals(ctx context.Context, v *View, q RefusalQuestion) (refused []KeptRefusal, found int64, err error) {
	var c conditions
	if q.Reason != "" {
		c.add("reason = %s", string(q.Reason))
	}
	if q.Source != "" {
		c.add("source = %s", clean(q.Source))
	}
	if found, err = count(ctx, v, "refusals", &c); err != nil {
		return nil, 0, err
	}
	err = v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		one := KeptRefusal{At: r.time(), Source: r.text()}
		one.Input, one.Reason, one.Message = r.text(), dmarc.Reason(r.text()), r.text()
		one.Date, one.From, one.Subject, one.MessageID = r.time(), r.text(), r.text(), r.text()
		refused = append(refused, one)
		return nil
	}, "SELECT refused, source, input, reason, message, mail_date, mail_from, mail_subject, mail_message_id FROM refusals"+c.where()+" ORDER BY id DESC"+limit(q.Skip, q.Top), c.args...)
	return refused, found, err
}

// AskReasons returns how much was refused for each reason, of what is kept.
func AskReasons(ctx context.Context, v *View) (reasons map[dmarc.Reason]int64, err error) {
	reasons = map[dmarc.Reason]int64{}
	err = v.Query(ctx, func(row []any) error {
		c := cells{row: row}
		reasons[dmarc.Reason(c.text())] = c.number()
		return nil
	}, "SELECT reason, count(*) FROM refusals GROUP BY reason")
	return reasons, err
}

// KeptFailure is a failure report that is kept.
type KeptFailure struct {
	ReportKey
	reportjson.Failure
}

// AskFailures returns failure reports, the newest first, and how many there are
// in all. The kind of the question does not matter, nor does its Failing.
func AskFailures(ctx context.Context, v *View, q ReportQuestion) (failures []KeptFailure, found int64, err error) {
	q.Kind, q.Failing = unpack.KindFailure, false
	c := q.conditions()
	if found, err = count(ctx, v, "reports r", &c); err != nil {
		return nil, 0, err
	}
	err = v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		l := failureLine(&r)
		if err := r.damaged(v, &l.Header); err != nil {
			return err
		}
		failures = append(failures, KeptFailure{ReportKey{timeOfDay(tally.Day(r.number())), r.number()}, *l})
		return nil
	}, "SELECT "+failureColumns+", r.day, r.id FROM reports r JOIN failures f ON f.report = r.id"+c.where()+" ORDER BY r.day DESC, r.id DESC"+limit(q.Skip, q.Top), c.args...)
	return failures, found, err
}

// TLSAnswer is what TLS reports come to.
type TLSAnswer struct {
	Policies []TLSPolicy
	Days     []TLSDay
	// Failures are in the order of sessions, the most first; More says that some
	// were left out.
	Failures []TLSFailure
	More     bool
}

// TLSPolicy is the sessions that were held to a kind of policy of a domain.
type TLSPolicy struct {
	Domain             string
	Type               tlsrpt.PolicyType
	Reporters          int64
	Successful, Failed int64
	First, Last        time.Time
}

// TLSDay is the sessions of a day.
type TLSDay struct {
	Day                time.Time
	Successful, Failed int64
}

// TLSFailure is sessions that failed in one way.
type TLSFailure struct {
	Domain               string
	Result               tlsrpt.ResultType
	MXHostname, Reporter string
	Failed               int64
	Last                 time.Time
}

// AskTLS returns what the TLS reports of a period come to.
func AskTLS(ctx context.Context, v *View, p Period) (*TLSAnswer, error) {
	var c conditions
	c.kind(unpack.KindTLS)
	first, last := p.days()
	if p.Domain != "" {
		c.add("p.domain = %s", p.domain())
	}
	if !p.Since.IsZero() {
		c.add("r.day >= %s AND "+sentSQL+" >= %s", first, first*daySeconds)
	}
	if !p.Until.IsZero() {
		c.add("r.day <= %s AND "+sentSQL+" < %s", last, int64(tally.DayOf(p.Until))*daySeconds)
	}
	const from = " FROM reports r JOIN tls_policies p ON p.report = r.id"
	a := &TLSAnswer{}
	err := v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		a.Policies = append(a.Policies, TLSPolicy{
			r.text(), tlsrpt.PolicyType(r.text()), r.number(), r.number(), r.number(), timeOfDay(sentDay(r.number())), timeOfDay(sentDay(r.number())),
		})
		return nil
	}, "SELECT p.domain, p.policy_type, count(DISTINCT r.org_name), "+totalSQL("p.successful_sessions")+", "+totalSQL("p.failed_sessions")+
		", min("+sentSQL+"), max("+sentSQL+")"+from+c.where()+" GROUP BY 1, 2 ORDER BY 5 DESC, 1, 2", c.args...)
	if err != nil {
		return nil, err
	}
	err = v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		a.Days = append(a.Days, TLSDay{timeOfDay(tally.Day(r.number())), r.number(), r.number()})
		return nil
	}, "SELECT "+sentSQL+" / 86400, "+totalSQL("p.successful_sessions")+", "+totalSQL("p.failed_sessions")+from+c.where()+" GROUP BY 1 ORDER BY 1", c.args...)
	if err != nil {
		return nil, err
	}
	const mostFailures = 500
	err = v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		if a.More = len(a.Failures) == mostFailures; !a.More {
			a.Failures = append(a.Failures, TLSFailure{r.text(), tlsrpt.ResultType(r.text()), r.text(), r.text(), r.number(), timeOfDay(sentDay(r.number()))})
		}
		return nil
	}, "SELECT p.domain, d.result_type, d.receiving_mx_hostname, r.org_name, "+totalSQL("d.failed_sessions")+", max("+sentSQL+")"+from+
		" JOIN tls_details d ON d.report = p.report AND d.policy = p.n"+c.where()+" GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2, 3, 4"+limit(0, mostFailures+1), c.args...)
	return a, err
}
