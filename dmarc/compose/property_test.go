package compose_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/compose"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
)

// TestEvaluatedMessages evaluates messages, composes a report of them, reads the
// mails, and finds the same sums, whatever is kept in files and however small
// the mails are.
func TestEvaluatedMessages(t *testing.T) {
	results := []dmarc.AuthResult{dmarc.AuthResultPass, dmarc.AuthResultFail, dmarc.AuthResultNone, dmarc.AuthResultTempError, dmarc.AuthResultSoftFail}
	domains := []string{"garden.example", "b.garden.example", "list.example"}
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 7))
		e := &dmarc.Evaluator{Resolver: records{"_dmarc.garden.example": {[]string{"v=DMARC1; p=reject", "v=DMARC1; p=quarantine; t=y; aspf=s"}[seed%2]}}}
		rows := &compose.Rows{Memory: 20_000, Dir: t.TempDir()}
		want, got := map[string]int64{}, map[string]int64{}
		sum := func(to map[string]int64, rec *dmarc.Record) {
			to[fmt.Sprint(rec.Disposition, rec.DKIM, rec.SPF, len(rec.Reasons), rec.HeaderFrom, rec.SourceIP)] += rec.Count
			to["all"] += rec.Count
		}
		for range 500 {
			m := &dmarc.Message{From: domains[r.IntN(2)]}
			for range r.IntN(3) {
				m.DKIM = append(m.DKIM, dmarc.DKIMAuth{Domain: domains[r.IntN(3)], Selector: "s", Result: results[r.IntN(4)]})
			}
			m.SPF = []dmarc.SPFAuth{{Domain: domains[r.IntN(3)], Scope: "mfrom", Result: results[r.IntN(5)]}}
			v, err := e.Evaluate(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(8))})
			rec := &dmarc.Record{
				SourceIP: ip, Count: 1 + r.Int64N(9), Disposition: v.Disposition, Reasons: v.Reasons, DKIM: v.DKIM, SPF: v.SPF,
				HeaderFrom: m.From, EnvelopeFrom: m.SPF[0].Domain, AuthDKIM: m.DKIM, AuthSPF: m.SPF,
			}
			if err := rows.Add(rec); err != nil {
				t.Fatal(err)
			}
			sum(want, rec)
		}
		report := report(rows)
		report.MaxBytes = []int64{0, 16 << 10}[seed/2]
		var b bytes.Buffer
		for _, m := range mails(t, report) {
			b.Reset()
			if _, err := m.WriteTo(&b); err != nil {
				t.Fatal(err)
			}
			err := reports.Read(&b, func(r *reports.Report) error {
				if r.Err != nil || len(r.Warnings) > 0 || len(dmarc.Validate(r.Aggregate)) > 0 {
					t.Fatalf("error %v, warnings %v", r.Err, r.Warnings)
				}
				for i := range r.Aggregate.Records {
					sum(got, &r.Aggregate.Records[i])
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d: -evaluated +read:\n%s", seed, diff)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
}
