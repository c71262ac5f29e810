package storetest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/grafana"
)

// question is one that the dashboard of records asks.
type question struct{ panel, sql string }

// questions are those of dashboards/dmarc-records.json, with years and two domains
// chosen, as Grafana asks them. The views are those of a schema.
func questions(t *testing.T, schema string) []question {
	t.Helper()
	_, queries, err := grafana.Read(filepath.Join("..", "..", "..", "dashboards", "dmarc-records.json"))
	if err != nil {
		t.Fatal(err)
	}
	const from, until = "'2020-01-01T00:00:00Z'", "'2040-01-01T00:00:00Z'"
	values := []string{"${domain:sqlstring}", "'shop.example','example.com'", "$__timeFrom()", from, "$__timeTo()", until, "dmarc.", `"` + schema + `".`}
	for _, column := range []string{"date_end", "date_range_end", "created_at"} {
		values = append(values, "$__timeFilter("+column+")", column+" BETWEEN "+from+" AND "+until)
	}
	replace := strings.NewReplacer(values...)
	var out []question
	for _, q := range queries {
		out = append(out, question{q.Panel, replace.Replace(q.SQL)})
	}
	return out
}

// Dashboard asks a database of a schema what the dashboard of records asks: an
// empty one answers, and one with reports of all kinds has rows for every panel.
func Dashboard(t *testing.T, w World, schema string) {
	s := openRecords(t, w, store.RecordsAll)
	all := questions(t, schema)
	if len(all) < 25 {
		t.Fatalf("%d questions, want those of all panels", len(all))
	}
	for _, q := range all {
		if strings.Contains(q.sql, "$") {
			t.Fatalf("%s: a variable is left: %s", q.panel, q.sql)
		}
		w.Query(t, q.sql)
	}
	overridden := strings.Replace(Record("203.0.113.9", 5, "fail", "fail", auth), "</spf></policy_evaluated>",
		"</spf><reason><type>forwarded</type><comment>a list</comment></reason></policy_evaluated>", 1)
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate,
		Aggregate("1", 0, overridden, Record("192.0.2.1", 15, "pass", "fail", auth)), Aggregate("2", 1, Record("192.0.2.1", 10, "pass", "pass", auth))))
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindTLS, tlsReport))
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindFailure, failureMail))
	Commit(t, s, &store.Delivery{Source: "dir:a", Refused: []store.Refusal{{Reason: dmarc.ReasonSyntax, Message: "m"}}})
	w.Alter(t, "INSERT INTO addresses (source_ip, asn, as_name, country) VALUES ('203.0.113.9', 64500, 'Example Net', 'DE')")
	want := map[string]string{
		"Messages": "30", "Reports": "2", "Reporters": "1", "Addresses": "2", "Failing addresses": "1", "Passed": "0.83333333333333333333",
		"By country": "DE|5|5|0.00000000000000000000", "By network": "64500|Example Net|5|5|0.00000000000000000000", "Map": "DE|5|5|0.00000000000000000000", "By sender": "Example Net|5|5|0.00000000000000000000",
		"Sources, most failures first": "203.0.113.9||Example Net|Example Net|DE|5|5|0.00000000000000000000",
		"Overrides":                    "forwarded|a list|5", "DKIM signatures": "a.example|s1|pass|30|25", "SPF results": "bounce.example|mfrom|softfail|30|10",
		"Alignment":         "pass|fail|none|15|0|1.00000000000000000000",
		"From and envelope": "shop.example|bounce.example||30|5|0.83333333333333333333", "variable domain": "shop.example",
	}
	for _, q := range all {
		rows := w.Query(t, q.sql)
		if len(rows) == 0 {
			t.Errorf("%s has no rows: %s", q.panel, q.sql)
			continue
		}
		if first, known := want[q.panel]; known && strings.Join(rows[0], "|") != first {
			t.Errorf("%s: the first row is %q, want %q", q.panel, rows[0], first)
		}
		delete(want, q.panel)
	}
	if len(want) > 0 {
		t.Errorf("no panels %v", want)
	}
}
