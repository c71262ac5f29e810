package tally

import (
	"slices"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// The label values that stand for more than one thing.
const (
	Other   = "other"   // what found the budget spent, or is foreign to a closed set
	Foreign = "foreign" // domains that are not ours
	Unknown = "unknown" // what the report does not say
	Absent  = "-"       // a missing or foreign disposition
)

// Identity says which report a report is. Report ids are unique only among the
// reports to one domain (RFC 9990, section 3.5.1), and not even there between
// reporters that never changed a default.
type Identity struct {
	Kind  unpack.Kind
	Org   string
	Email string
	// Domain is the policy domain; of a TLS report the first one.
	Domain   string
	ReportID string
	// Begin and End are UTC. Those of a failure report are both the arrival of
	// the message, and zero when nothing tells it.
	Begin, End time.Time
}

// Group is what messages have in common as far as they are counted.
type Group struct {
	// Domain is the From domain of the messages.
	Domain string
	// Disposition is a name of RFC 9990 or Absent.
	Disposition string
	DKIM, SPF   bool // the aligned verdicts
	Class       Class
	// Source is what Reader.Source says about the record; empty without it.
	Source string
}

// Sessions are the TLS sessions of one policy domain and type.
type Sessions struct {
	Domain             string
	Policy             tlsrpt.PolicyType
	Successful, Failed int64
	// Failures counts failed sessions by result type, as far as details say.
	Failures map[tlsrpt.ResultType]int64
}

// Entry is one report as it is counted: its identity and its sums. Its size is
// bounded whatever the report holds.
type Entry struct {
	Identity
	// As is the key that a store has the report under, when not all of the Identity
	// is known any more; nil means the key of the Identity.
	As *Key
	// Authentic says that the mail with the report was sent by its reporter. A
	// Reader does not know.
	Authentic bool
	// AuthDomain is the organizational domain that an authentic mail is of.
	AuthDomain string
	// Digest is of the records, in any order. Two entries with the same
	// identity and other digests contradict each other.
	Digest [8]byte
	// Records counts record elements; for TLS reports policies, for a failure
	// report it is 1.
	Records int64
	// Messages is the sum of counts; TLS sessions; incidents.
	Messages int64
	// PassMessages are those with an aligned pass; successful sessions; 0.
	PassMessages int64
	// Dispositions are messages by disposition, Absent included; empty but for
	// aggregate reports.
	Dispositions map[string]int64
	// Groups are messages by what decides their labels. Beyond some hundred
	// groups the domain is Other, and they count for the policy domain.
	Groups map[Group]int64
	// Signers are messages by who authenticated them, with Reader.Signers.
	Signers map[Signer]SignerSums
	// Policy is the published policy of an aggregate report.
	Policy dmarc.Policy
	// TLS are the sessions of a TLS report by policy domain and type.
	TLS []Sessions
	// AuthFailure is what a failure report is about.
	AuthFailure failure.AuthFailure
	// Warnings are those of the containers and of the report.
	Warnings        []dmarc.Warning
	WarningsDropped int
	// Deviations are those of an aggregate report from RFC 9990, when
	// Reader.Validate asks for them.
	Deviations []dmarc.Deviation
}

// WarningCodes returns the codes of the warnings, each once, in alphabetical order.
func (e *Entry) WarningCodes() []dmarc.Code {
	codes := make([]dmarc.Code, 0, len(e.Warnings))
	for i := range e.Warnings {
		codes = append(codes, e.Warnings[i].Code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// maxGroups bounds the groups of one entry: a hostile report may name a
// million domains.
const maxGroups = 500

// sameGroup collects the messages of records in a row that have all in common:
// most are as the one before.
type sameGroup struct {
	group    Group
	messages int64
	some     bool
}

// flush adds what was collected to the groups.
func (e *Entry) flush(same *sameGroup) {
	if !same.some {
		return
	}
	g := same.group
	e.Dispositions[g.Disposition] = Add(e.Dispositions[g.Disposition], same.messages)
	if _, ok := e.Groups[g]; !ok && len(e.Groups) >= maxGroups {
		g.Domain = Other
		if g.Source != "" {
			g.Source = Other
		}
	}
	e.Groups[g] = Add(e.Groups[g], same.messages)
	*same = sameGroup{}
}

// NewEntry returns the entry of an aggregate report whose records are added one by
// one, for reports that were read before.
func NewEntry(id Identity) *Entry {
	return &Entry{Identity: id, Dispositions: map[string]int64{}, Groups: map[Group]int64{}}
}

// Add adds the messages of a record, with the name of who sent them.
func (e *Entry) Add(rec *dmarc.Record, source string) {
	var one sameGroup
	e.add(rec, source, &one)
	e.flush(&one)
}

// add adds the messages of a record.
func (e *Entry) add(rec *dmarc.Record, source string, same *sameGroup) {
	g := Group{
		Domain: rec.HeaderFrom, Disposition: string(rec.Disposition), Source: source,
		DKIM: rec.DKIM == dmarc.EvaluationPass, SPF: rec.SPF == dmarc.EvaluationPass, Class: ClassOf(rec),
	}
	if g.Disposition == "" {
		g.Disposition = Absent
	}
	e.Records++
	e.Messages = Add(e.Messages, rec.Count)
	if rec.Aligned() {
		e.PassMessages = Add(e.PassMessages, rec.Count)
	}
	if !same.some || same.group != g {
		e.flush(same)
		same.group, same.some = g, true
	}
	same.messages = Add(same.messages, rec.Count)
}

// AddSessions adds the sessions of a policy of a TLS report to TLS.
func (e *Entry) AddSessions(p *tlsrpt.Policy) {
	i := slices.IndexFunc(e.TLS, func(s Sessions) bool { return s.Domain == p.Domain && s.Policy == p.Type })
	if i < 0 && len(e.TLS) < maxSessions {
		i = len(e.TLS)
		e.TLS = append(e.TLS, Sessions{Domain: p.Domain, Policy: p.Type})
	}
	if i < 0 {
		i = len(e.TLS) - 1
		e.TLS[i].Domain, e.TLS[i].Policy = Other, tlsrpt.PolicyTypeOther
	}
	s := &e.TLS[i]
	s.Successful = Add(s.Successful, p.Successful)
	s.Failed = Add(s.Failed, p.Failed)
	for j := range p.Details {
		if s.Failures == nil {
			s.Failures = map[tlsrpt.ResultType]int64{}
		}
		kind := p.Details[j].ResultType
		s.Failures[kind] = Add(s.Failures[kind], p.Details[j].FailedSessions)
	}
}

// maxSessions bounds the policies that an entry tells apart. The last one
// stands for all that are more.
const maxSessions = 100
