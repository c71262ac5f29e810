package compose_test

import (
	"context"
	"fmt"
	"net/mail"
	"net/netip"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/compose"
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
