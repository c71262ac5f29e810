package compose_test

import (
	"bytes"
	"context"
	"fmt"
	"net/mail"
	"net/netip"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/compose"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
)

// records is a Resolver that knows one domain; programs use net.DefaultResolver.
type records map[string][]string

func (r records) LookupTXT(_ context.Context, name string) ([]string, error) { return r[name], nil }

func Example() {
	ctx := context.Background()
	evaluator := &dmarc.Evaluator{Resolver: records{"_dmarc.garden.example": {"v=DMARC1; p=reject; rua=mailto:dmarc@garden.example"}}}

	// Each message that came in.
	m := &dmarc.Message{
		From: "garden.example",
		DKIM: []dmarc.DKIMAuth{{Domain: "garden.example", Selector: "s1", Result: dmarc.AuthResultPass}},
		SPF:  []dmarc.SPFAuth{{Domain: "bounces.mailer.example", Scope: "mfrom", Result: dmarc.AuthResultPass}},
	}
	v, err := evaluator.Evaluate(ctx, m)
	if err != nil {
		fmt.Println(err)
		return
	}
	rows := new(compose.Rows) // one for each policy domain
	defer rows.Close()
	for range 3 {
		err = rows.Add(&dmarc.Record{
			SourceIP: netip.MustParseAddr("192.0.2.25"), Count: 1, Disposition: v.Disposition, Reasons: v.Reasons, DKIM: v.DKIM, SPF: v.SPF,
			HeaderFrom: m.From, EnvelopeFrom: "bounces.mailer.example", AuthDKIM: m.DKIM, AuthSPF: m.SPF,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}

	// Once a day.
	record, day := v.Discovery.Record, time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	report := &compose.Report{
		Head: dmarc.Report{
			Metadata: dmarc.Metadata{OrgName: "Example Mail", Email: "postmaster@mail.example", ReportID: "20261127.garden.example", Begin: day, End: day.Add(24*time.Hour - time.Second)},
			Policy:   dmarc.Policy{Domain: v.Discovery.RecordDomain, P: record.P, SP: record.SP, NP: record.NP, ADKIM: record.ADKIM, ASPF: record.ASPF, DiscoveryMethod: "treewalk"},
		},
		Rows: rows, Submitter: "mail.example", Date: day.Add(25 * time.Hour),
		From: mail.Address{Address: "postmaster@mail.example"}, To: []mail.Address{{Address: record.RUA[0].Address}},
	}
	err = report.Mails(func(m *compose.Mail) error {
		fmt.Println(m.Subject)
		fmt.Println(m.Filename)
		return nil // Here it is signed and sent: m.WriteTo(w).
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Report Domain: garden.example Submitter: mail.example Report-ID: <20261127.garden.example>
	// mail.example!garden.example!1795737600!1795823999.xml.gz
}

// A failure report of a message that failed, when its policy asks for one.
func ExampleFailure() {
	resolver := records{"_dmarc.garden.example": {"v=DMARC1; p=reject; ruf=mailto:ruf@garden.example"}}
	m := &dmarc.Message{From: "garden.example", SPF: []dmarc.SPFAuth{{Domain: "garden.example", Result: dmarc.AuthResultFail}}}
	v, err := (&dmarc.Evaluator{Resolver: resolver}).Evaluate(context.Background(), m)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := compose.Wanted(m, v)
	if r == nil {
		return
	}
	r.SourceIP, r.Arrival = netip.MustParseAddr("192.0.2.66"), time.Date(2026, 11, 27, 8, 14, 0, 0, time.UTC)
	r.OriginalMailFrom, r.DeliveryResult = "alice@garden.example", failure.DeliveryReject
	report := compose.Failure{
		Report: r, Submitter: "mail.example", Date: r.Arrival,
		From: mail.Address{Address: "dmarc@mail.example"}, To: []mail.Address{{Address: v.Discovery.Record.RUF[0].Address}},
	}
	written, err := report.Mail()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(written.Subject)

	// What the domain owner reads.
	var b bytes.Buffer
	if _, err := written.WriteTo(&b); err != nil {
		fmt.Println(err)
	}
	read, err := failure.Parse(&b)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(read.SourceIP, read.OriginalMailFrom, read.IdentityAlignment, read.DeliveryResult)
	// Output:
	// DMARC failure report of mail.example for garden.example
	// 192.0.2.66 redacted@garden.example [dkim spf] reject
}
