package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// month makes reports about shop.example for 30 days until the 23rd of November.
type month struct {
	t       testing.TB
	store   *store.Store
	orgs    []string
	records map[int][]string // by the number of the day
}

// send adds messages from an address on some days. Kind is how they authenticate.
func (m *month) send(from, to int, source string, count int, kind string) {
	dkim, spf, results, reason := "fail", "fail", "", ""
	sign := func(domain, selector, result string) {
		results += fmt.Sprintf("<dkim><domain>%s</domain><selector>%s</selector><result>%s</result></dkim>", domain, selector, result)
	}
	envelope := func(domain, result string) {
		results += fmt.Sprintf("<spf><domain>%s</domain><result>%s</result></spf>", domain, result)
	}
	switch kind {
	case "both":
		dkim, spf = "pass", "pass"
		sign("shop.example", "s1", "pass")
		envelope("shop.example", "pass")
	case "spf only":
		spf = "pass"
		envelope("shop.example", "pass")
	case "other DKIM":
		sign("esp.example", "k1", "pass")
		envelope("bounce.esp.example", "pass")
	case "other SPF":
		envelope("bounce.esp.example", "pass")
	case "bad key":
		sign("shop.example", "news", "fail")
		envelope("bounce.esp.example", "pass")
	case "relayed":
		dkim = "pass"
		sign("shop.example", "s1", "pass")
		envelope("list.example", "pass")
	case "list":
		sign("shop.example", "s1", "fail")
		envelope("list.example", "pass")
	case "told list":
		envelope("list.example", "pass")
		reason = "<reason><type>mailing_list</type></reason>"
	case "none":
		envelope("shop.example", "fail")
	default:
		m.t.Fatalf("kind %q", kind)
	}
	for day := from; day <= to; day++ {
		m.records[day] = append(m.records[day], fmt.Sprintf(`<record><row><source_ip>%s</source_ip><count>%d</count><policy_evaluated><disposition>none</disposition><dkim>%s</dkim><spf>%s</spf>%s</policy_evaluated></row>`+
			`<identifiers><header_from>shop.example</header_from></identifiers><auth_results>%s</auth_results></record>`, source, count, dkim, spf, reason, results))
	}
}

// report delivers the reports: each reporter sees everything.
func (m *month) report(policy string) {
	var texts []string
	for day, records := range m.records {
		begin := time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day)
		for _, org := range m.orgs {
			text := fmt.Sprintf(`<feedback><report_metadata><org_name>%s</org_name><report_id>%d</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>`+
				`<policy_published><domain>shop.example</domain>%s</policy_published>%s</feedback>`, org, day, begin.Unix(), begin.Unix()+86399, policy, strings.Join(records, ""))
			texts = append(texts, text)
		}
	}
	Commit(m.t, m.store, Read(m.t, store.DraftConfig{}, unpack.KindAggregate, texts...))
}

// testReadiness decides about made-up months.
func testReadiness(t *testing.T, w World) {
	healthy := func(m *month) {
		m.send(1, 30, "192.0.2.1", 100, "both")
		m.send(1, 30, "192.0.2.2", 20, "both")
	}
	three, two := []string{"a", "b", "c"}, []string{"a", "b"}
	for _, tt := range []struct {
		name               string
		orgs               []string
		month              func(m *month)
		quarantine, reject store.Verdict
		senders            []string
	}{
		{"healthy", three, healthy, "yes", "yes", nil},
		{"newsletter without alignment", three, func(m *month) {
			healthy(m)
			for _, day := range []int{3, 10, 17, 24} {
				m.send(day, day, "198.51.100.7", 400, "other DKIM")
			}
		}, "no", "no", []string{"198.51.100.7 own dkim_unaligned 4800"}},
		{"newsletter by SPF alone", three, func(m *month) {
			healthy(m)
			m.send(10, 10, "198.51.100.7", 400, "other SPF")
		}, "no", "no", []string{"198.51.100.7 own spf_unaligned 1200"}},
		{"newsletter without its key", three, func(m *month) {
			healthy(m)
			m.send(10, 30, "198.51.100.7", 100, "bad key")
		}, "no", "no", []string{"198.51.100.7 own bad_signature 6300"}},
		{"a small leak", three, func(m *month) {
			healthy(m)
			m.send(1, 30, "198.51.100.7", 1, "other DKIM")
		}, "yes", "no", []string{"198.51.100.7 own dkim_unaligned 90"}},
		{"forwarders", three, func(m *month) {
			healthy(m)
			m.send(1, 30, "203.0.113.1", 10, "relayed")
			m.send(1, 30, "203.0.113.2", 1, "list")
		}, "yes", "yes", []string{"203.0.113.2 forwarder forwarded 90"}},
		{"mailing lists", three, func(m *month) {
			healthy(m)
			m.send(1, 30, "203.0.113.2", 5, "told list")
		}, "yes", "no", []string{"203.0.113.2 forwarder forwarded 450"}},
		{"burst of spoofing", three, func(m *month) {
			healthy(m)
			m.send(14, 14, "203.0.113.9", 5000, "none")
			m.send(15, 15, "203.0.113.10", 3000, "none")
		}, "yes", "yes", []string{"203.0.113.9 spoofing no_authentication 15000 burst", "203.0.113.10 spoofing no_authentication 9000 burst"}},
		{"own printer", three, func(m *month) {
			healthy(m)
			m.send(1, 30, "192.0.2.9", 4, "none")
		}, "no", "no", []string{"192.0.2.9 own no_authentication 360"}},
		{"new provider", three, func(m *month) {
			healthy(m)
			m.send(28, 30, "198.51.100.8", 50, "other DKIM")
		}, "no", "no", []string{"198.51.100.8 own dkim_unaligned 450"}},
		{"three problems of one size", three, func(m *month) {
			healthy(m)
			for _, kind := range []string{"other SPF", "none", "bad key"} {
				m.send(1, 30, "198.51.100.7", 1, kind)
			}
		}, "no", "no", []string{"198.51.100.7 own bad_signature 90", "198.51.100.7 own no_authentication 90", "198.51.100.7 own spf_unaligned 90"}},
		{"SPF only", three, func(m *month) {
			healthy(m)
			m.send(1, 30, "192.0.2.5", 10, "spf only")
		}, "yes", "yes", []string{"192.0.2.5 own spf_only 900"}},
		{"parked", two, func(m *month) {
			m.send(3, 3, "203.0.113.9", 50, "none")
			m.send(20, 21, "203.0.113.10", 20, "none")
		}, "yes", "yes", []string{"203.0.113.9 spoofing no_authentication 100 burst", "203.0.113.10 spoofing no_authentication 80 burst"}},
		{"two reporters", two, healthy, "unknown", "unknown", nil},
		{"a week", three, func(m *month) { m.send(24, 30, "192.0.2.1", 100, "both") }, "unknown", "unknown", nil},
		{"one day of nothing good", three, func(m *month) { m.send(30, 30, "192.0.2.1", 100, "none") }, "unknown", "unknown", []string{"192.0.2.1 spoofing no_authentication 300 burst"}},
		{"no reports", three, func(*month) {}, "unknown", "unknown", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openRecords(t, w, store.RecordsAll)
			defer func() {
				Close(t, s)
				for _, table := range []string{"rollups", "records", "reports", "identities", "identity_days", "totals", "sums", "days", "domains", "names"} {
					w.Alter(t, "DELETE FROM "+table)
				}
			}()
			m := &month{t: t, store: s, orgs: tt.orgs, records: map[int][]string{}}
			tt.month(m)
			m.report("<p>none</p><sp>none</sp><pct>50</pct>")
			viewing(t, w, func(v *store.View) error {
				r, err := store.AskReadiness(t.Context(), v, "Shop.Example.", time.Time{})
				if err != nil {
					return err
				}
				if r.Quarantine != tt.quarantine || r.Reject != tt.reject {
					t.Errorf("quarantine %s and reject %s, want %s and %s; %+v", r.Quarantine, r.Reject, tt.quarantine, tt.reject, r)
				}
				var got []string
				for _, s := range r.Senders {
					text := fmt.Sprint(s.Name, " ", s.Kind, " ", s.Problem, " ", s.Messages)
					if s.Burst && s.Kind == store.KindSpoofing {
						text += " burst"
					}
					got = append(got, text)
				}
				if diff := gocmp.Diff(tt.senders, got); diff != "" {
					t.Errorf("senders (-want +got):\n%s", diff)
				}
				if r.Parked != (tt.name == "parked") || r.Reports > 0 && (r.Published.P != "none" || *r.Published.Pct != 50) {
					t.Errorf("parked is %t, published %+v", r.Parked, r.Published)
				}
				return nil
			})
		})
	}
}
