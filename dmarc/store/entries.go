package store

import (
	"context"
	"encoding/binary"
	"net/netip"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// Entries calls visit with the reports that are kept, as they are counted, as far
// as their records are kept. Source names senders, as tally.Reader.Source does.
func Entries(ctx context.Context, v *View, f Filter, source func(*dmarc.Record) string, visit func(*tally.Entry) error) error {
	var last *reportjson.Header
	var e *tally.Entry
	flush := func() error {
		if e == nil {
			return nil
		}
		one := e
		e = nil
		return visit(one)
	}
	err := Export(ctx, v, f, func(l reportjson.Line) error {
		h := l.Head()
		if last == nil || !last.SameReport(h) {
			if err := flush(); err != nil {
				return err
			}
			last = h
			e = tally.NewEntry(tally.Identity{
				Kind: h.Kind, Org: h.Org, Email: h.Email, Domain: h.Domain, ReportID: h.ReportID, Begin: h.Begin, End: h.End,
			})
			// Reports that are kept are no copies of each other.
			binary.BigEndian.PutUint64(e.Digest[:], uint64(hashID([]byte(h.ReportID))))
		}
		addLine(e, l, source)
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// addLine adds what a line of a report counts for.
func addLine(e *tally.Entry, l reportjson.Line, source func(*dmarc.Record) string) {
	switch l := l.(type) {
	case *reportjson.Record:
		rec := recordOf(l.Reasons, l.AuthDKIM, l.AuthSPF)
		rec.Source, rec.Count, rec.Disposition, rec.DKIM, rec.SPF, rec.HeaderFrom = l.SourceIP, l.Count, l.Disposition, l.DKIM, l.SPF, l.HeaderFrom
		rec.SourceIP, _ = netip.ParseAddr(l.SourceIP) // What is no address stays the zero one.
		name := ""
		if source != nil {
			name = source(rec)
		}
		e.Policy = dmarc.Policy{
			Domain: l.Head().Domain, P: l.Policy.P, SP: l.Policy.SP, NP: l.Policy.NP, ADKIM: l.Policy.ADKIM, ASPF: l.Policy.ASPF, Pct: l.Policy.Pct,
			Fo: l.Policy.Fo, Testing: l.Policy.Testing, DiscoveryMethod: l.Policy.DiscoveryMethod,
		}
		e.Add(rec, name)
	case *reportjson.Policy:
		s := tally.Sessions{Domain: l.Domain, Policy: l.PolicyType, Successful: l.Successful, Failed: l.Failed, Failures: map[tlsrpt.ResultType]int64{}}
		for _, d := range l.Details {
			s.Failures[d.ResultType] = tally.Add(s.Failures[d.ResultType], d.Failed)
		}
		e.Records++
		e.Messages, e.PassMessages = tally.Add(e.Messages, tally.Add(l.Successful, l.Failed)), tally.Add(e.PassMessages, l.Successful)
		e.TLS = append(e.TLS, s)
	case *reportjson.Failure:
		e.Records, e.Messages, e.AuthFailure = 1, l.Incidents, l.AuthFailure
	}
}
