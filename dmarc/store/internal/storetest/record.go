package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// Read reads documents as a delivery with details.
func Read(t testing.TB, config store.DraftConfig, kind unpack.Kind, documents ...string) *store.Delivery {
	t.Helper()
	d := &store.Delivery{Source: "dir:a"}
	reader := &tally.Reader{}
	draft := store.NewDraft(reader, config)
	for _, text := range documents {
		draft.Begin()
		e, err := reader.Read(&unpack.Document{Kind: kind, Reader: strings.NewReader(text)})
		if err != nil {
			t.Fatal(err)
		}
		details, err := draft.Take()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(details.Close)
		d.Entries, d.Details = append(d.Entries, e), append(d.Details, details)
	}
	return d
}

// Aggregate returns an aggregate report that ended so many days ago.
func Aggregate(id string, daysAgo int, records ...string) string {
	end := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -daysAgo)
	return fmt.Sprintf(`<feedback><version>1.0</version><report_metadata><org_name>Example Mail</org_name><email>dmarc@mail.example</email>`+
		`<extra_contact_info>https://mail.example/dmarc</extra_contact_info><report_id>%s</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>`+
		`<policy_published><domain>shop.example</domain><adkim>s</adkim><p>reject</p><pct>50</pct></policy_published>%s</feedback>`,
		id, end.Add(-24*time.Hour).Unix(), end.Unix()-1, strings.Join(records, ""))
}

// Record returns a record of an aggregate report.
func Record(source string, count int, dkim, spf, more string) string {
	return fmt.Sprintf(`<record><row><source_ip>%s</source_ip><count>%d</count><policy_evaluated><disposition>none</disposition><dkim>%s</dkim><spf>%s</spf></policy_evaluated></row>`+
		`<identifiers><envelope_from>bounce.example</envelope_from><header_from>shop.example</header_from></identifiers><auth_results>%s</auth_results></record>`,
		source, count, dkim, spf, more)
}

// wantRows holds the rows of a query.
func wantRows(t testing.TB, w World, query string, want ...string) {
	t.Helper()
	var got []string
	for _, row := range w.Query(t, query) {
		got = append(got, strings.Join(row, "|"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", query, diff)
	}
}

func openRecords(t testing.TB, w World, records store.Records) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), w.Engine, store.Config{Records: records, Counts: tally.Config{Now: func() time.Time { return Now }}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(t, s) })
	return s
}

const auth = `<dkim><domain>a.example</domain><selector>s1</selector><result>pass</result></dkim>` +
	`<dkim><domain>b.example</domain><result>fail</result><human_result>bad &lt;hash&gt;</human_result></dkim>` +
	`<spf><domain>bounce.example</domain><scope>mfrom</scope><result>softfail</result></spf>`

func testAggregate(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	sender := func(rec *dmarc.Record) store.Sender {
		if rec.SourceIP == netip.MustParseAddr("192.0.2.1") {
			return store.Sender{Network: "Example ESP", ASN: 64500, ASName: "Example AS", Country: "NL"}
		}
		return store.Sender{Authenticated: "a service"}
	}
	config := store.DraftConfig{Sender: sender}
	first := Aggregate("1", 0, Record("192.0.2.1", 7, "pass", "fail", auth), Record("2001:DB8::1", 2, "fail", "fail", ""), Record("no address", 1, "fail", "PASS", ""))
	d := Read(t, config, unpack.KindAggregate, first, first, Aggregate("2", 0, Record("192.0.2.1", 3, "pass", "fail", auth)))
	want := []tally.Outcome{tally.OutcomeCounted, tally.OutcomeDuplicate, tally.OutcomeCounted}
	if diff := cmp.Diff(want, Commit(t, s, d)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	wantRows(t, w, `SELECT id, report_id, org_name, email, extra_contact_info, date_begin, date_end, domain, adkim, aspf, p, sp, pct, created_at, records, messages, source
		FROM dmarc_reports ORDER BY id`,
		"1|1|Example Mail|dmarc@mail.example|https://mail.example/dmarc|2026-11-23 00:00:00|2026-11-23 23:59:59|shop.example|s||reject||50|2026-11-24 12:00:00|3|10|dir:a",
		"2|2|Example Mail|dmarc@mail.example|https://mail.example/dmarc|2026-11-23 00:00:00|2026-11-23 23:59:59|shop.example|s||reject||50|2026-11-24 12:00:00|1|3|dir:a",
	)
	wantRows(t, w, `SELECT id, report_id, source_ip, count, disposition, dkim, spf, header_from, envelope_from, envelope_to, dkim_domain, dkim_result, dkim_selector,
		spf_domain, spf_result, spf_scope, created_at, sender, domain FROM dmarc_records ORDER BY id`,
		"16777216|1|192.0.2.1|7|none|pass|fail|shop.example|bounce.example||a.example|pass|s1|bounce.example|softfail|mfrom|2026-11-24 12:00:00|Example ESP|shop.example",
		"16777217|1|2001:db8::1|2|none|fail|fail|shop.example|bounce.example||||||||2026-11-24 12:00:00|a service|shop.example",
		"16777218|1|no address|1|none|fail|pass|shop.example|bounce.example||||||||2026-11-24 12:00:00|a service|shop.example",
		"33554432|2|192.0.2.1|3|none|pass|fail|shop.example|bounce.example||a.example|pass|s1|bounce.example|softfail|mfrom|2026-11-24 12:00:00|Example ESP|shop.example",
	)
	wantRows(t, w, "SELECT auth_dkim, auth_spf, as_sent FROM dmarc_records WHERE id IN (16777216, 16777217) ORDER BY id",
		`[{"domain":"a.example","selector":"s1","result":"pass"},{"domain":"b.example","result":"fail","human_result":"bad <hash>"}]|[{"domain":"bounce.example","scope":"mfrom","result":"softfail"}]|`,
		`||{"source_ip":"2001:DB8::1"}`,
	)
	wantRows(t, w, "SELECT count(*) FROM record_contents", "3")
	wantRows(t, w, "SELECT DISTINCT source_ip, asn, as_name, country FROM dmarc_records WHERE asn > 0", "192.0.2.1|64500|Example AS|NL")
	looked := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	hosts := []store.Host{{Address: netip.MustParseAddr("192.0.2.1"), Host: "mx.example", Sender: "example", LookedUp: looked}}
	for range 2 {
		if err := s.PutHosts(t.Context(), hosts); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Hosts(t.Context(), looked, 10)
	if diff := cmp.Diff(hosts, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Errorf("hosts %v (-want +got):\n%s", err, diff)
	}
	wantRows(t, w, "SELECT DISTINCT sender, host, asn FROM dmarc_records WHERE source_ip = '192.0.2.1'", "Example ESP|mx.example|64500")
	// The sums over records are those of the counts.
	wantRows(t, w, "SELECT disposition, dkim, spf, sum(count) FROM dmarc_records GROUP BY 1, 2, 3 ORDER BY 4", "none|fail|pass|1", "none|fail|fail|2", "none|pass|fail|10")
	if diff := cmp.Diff(map[string]int64{"shop.example,none,pass,fail": 10, "shop.example,none,fail,fail": 2, "shop.example,none,fail,pass": 1}, Sums(s.Snapshot(), tally.Messages)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func testFailing(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsFailing)
	Commit(t, s, Read(t, store.DraftConfig{Records: store.RecordsFailing}, unpack.KindAggregate,
		Aggregate("1", 0, Record("192.0.2.1", 7, "pass", "fail", auth), Record("192.0.2.2", 2, "fail", "fail", ""))))
	wantRows(t, w, "SELECT source_ip, count FROM dmarc_records", "192.0.2.2|2")
	wantRows(t, w, "SELECT records, kept, messages, pass_messages FROM reports", "2|1|9|7")
}

func testOff(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsOff)
	d := Read(t, store.DraftConfig{Records: store.RecordsOff}, unpack.KindAggregate, Aggregate("1", 0, Record("192.0.2.1", 7, "pass", "fail", auth)))
	d.Refused = []store.Refusal{{Reason: dmarc.ReasonSyntax, From: "someone@example.com"}}
	Commit(t, s, d)
	for _, table := range []string{"reports", "records", "refusals", "record_contents"} {
		wantRows(t, w, "SELECT count(*) FROM "+table, "0")
	}
	if got := Total(s.Snapshot(), tally.Messages); got != 7 {
		t.Errorf("%d messages, want 7", got)
	}
}

// testRecordsFail keeps all of a delivery or nothing, and all of it later.
func testRecordsFail(t *testing.T, w World) {
	f := &Faulty{Engine: w.Engine}
	w2 := w
	w2.Engine = f
	s := openRecords(t, w2, store.RecordsAll)
	d := Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("1", 0, Record("192.0.2.1", 7, "pass", "fail", auth)))
	f.Before = func() error { return errors.New("boom") }
	for range 2 {
		if _, err := s.Commit(context.Background(), d); err == nil {
			t.Fatal("no error")
		}
	}
	wantRows(t, w, "SELECT count(*) FROM records", "0")
	f.Before = nil
	Commit(t, s, d)
	wantRows(t, w, "SELECT source_ip, count, dkim_domain FROM dmarc_records", "192.0.2.1|7|a.example")
}

func testTLS(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindTLS, tlsReport))
	wantRows(t, w, `SELECT report_id, organization_name, contact_info, date_range_begin, date_range_end, policy_domain, policy_type, policy, mx_hosts,
		successful_session_count, failed_session_count FROM tls_reports`,
		`t1|TLS Org|tls@mail.example|2026-11-23 00:00:00|2026-11-23 23:59:59|shop.example|sts|["version: STSv1","mode: testing"]|["*.shop.example"]|5|2`)
	wantRows(t, w, "SELECT policy_domain, result_type, failure_count, sending_mta_ip, receiving_mx_hostname, failure_reason_code FROM tls_failure_summaries",
		"shop.example|certificate-expired|2|192.0.2.9|mx.shop.example|x\uFFFDy")
}

const tlsReport = `{"organization-name":"TLS Org","date-range":{"start-datetime":"2026-11-23T00:00:00Z","end-datetime":"2026-11-23T23:59:59Z"},
		"contact-info":"tls@mail.example","report-id":"t1","policies":[{"policy":{"policy-type":"sts","policy-string":["version: STSv1","mode: testing"],"policy-domain":"shop.example","mx-host":["*.shop.example"]},
		"summary":{"total-successful-session-count":5,"total-failure-session-count":2},"failure-details":[{"result-type":"certificate-expired","sending-mta-ip":"192.0.2.9",
		"receiving-mx-hostname":"mx.shop.example","failed-session-count":2,"failure-reason-code":"x\u0000y"}]}]}`

const failureMail = "From: Reporter <reports@mail.example>\r\nTo: dmarc@shop.example\r\nMessage-ID: <f1@mail.example>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n" +
	"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\nA failure.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" +
	"Feedback-Type: auth-failure\r\nUser-Agent: x/1\r\nVersion: 1\r\nAuth-Failure: dmarc\r\nOriginal-Mail-From: <jane.doe@shop.example>\r\nOriginal-Rcpt-To: <john@mail.example>\r\n" +
	"Source-IP: 192.0.2.7\r\nReported-Domain: shop.example\r\nArrival-Date: Mon, 23 Nov 2026 09:59:00 +0000\r\nDelivery-Result: reject\r\n" +
	"\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: Jane <jane.doe@shop.example>\r\nSubject: secret plans\r\n\r\n--b--\r\n"

func testFailure(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	d := Read(t, store.DraftConfig{}, unpack.KindFailure, failureMail)
	Commit(t, s, d)
	wantRows(t, w, "SELECT org_name, domain, arrival_date, incidents, auth_failure, delivery_result, source_ip, header_from, mail_from, rcpt_to, original FROM dmarc_failures",
		`mail.example|shop.example|2026-11-23 09:59:00|1|dmarc|reject|192.0.2.7|shop.example|@shop.example|["@mail.example"]|`)
	for _, table := range []string{"reports", "failures", "dmarc_failures"} {
		text := fmt.Sprint(w.Query(t, "SELECT * FROM "+table))
		for _, personal := range []string{"jane", "john", "Jane", "secret", "reports@"} {
			if strings.Contains(text, personal) {
				t.Errorf("%s holds %q: %s", table, personal, text)
			}
		}
	}
	again := Read(t, store.DraftConfig{}, unpack.KindFailure, strings.Replace(failureMail, "f1@", "f2@", 1))
	again.Details[0].Original([]byte(failureMail))
	Commit(t, s, again)
	wantRows(t, w, "SELECT count(*) FROM dmarc_failures WHERE length(original) > 100", "1")
}

// testRefusals keeps the newest.
func testRefusals(t *testing.T, w World) {
	const most, more = 10_000, 50
	s := openRecords(t, w, store.RecordsAll)
	Close(t, s)
	w.Alter(t, fmt.Sprintf(`INSERT INTO refusals (refused, source, reason) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		SELECT 0, 'old', 'syntax' FROM n`, most))
	s = openRecords(t, w, store.RecordsAll)
	for batch := range 2 {
		d := &store.Delivery{Source: "dir:a"}
		for i := range more / 2 {
			d.Refused = append(d.Refused, store.Refusal{
				Reason: dmarc.ReasonSyntax, Input: fmt.Sprint(batch, i), Message: strings.Repeat("ü", 2000), Date: Now.Add(-time.Hour),
				From: "x@y.example\x00\xff", Subject: "'); DROP TABLE refusals; --", MessageID: "m",
			})
		}
		Commit(t, s, d)
	}
	wantRows(t, w, "SELECT source, count(*), max(length(message)) FROM refusals GROUP BY source ORDER BY source", "dir:a|50|500", strings.Join([]string{"old", strconv.Itoa(most - more), ""}, "|"))
	wantRows(t, w, "SELECT refused_at, source, input, reason, mail_date, mail_from, mail_subject, mail_message_id FROM dmarc_refusals ORDER BY id DESC LIMIT 1",
		"2026-11-24 12:00:00|dir:a|1 24|syntax|2026-11-24 11:00:00|x@y.example\uFFFD\uFFFD|'); DROP TABLE refusals; --|m")
	if got := Sums(s.Snapshot(), tally.Refusals)["syntax"]; got != more {
		t.Errorf("%d refusals counted, want %d", got, more)
	}
	Commit(t, s, &store.Delivery{Source: "dir:a", Refused: []store.Refusal{{Reason: dmarc.ReasonEmpty}}})
	viewing(t, w, func(v *store.View) error {
		got, err := store.AskRefused(t.Context(), v, Now, Now.Add(time.Second))
		want := []store.RefusedInputs{{Reason: dmarc.ReasonSyntax, Inputs: more, Last: Now}, {Reason: dmarc.ReasonEmpty, Inputs: 1, Last: Now}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}
		if before, err := store.AskRefused(t.Context(), v, time.Unix(1, 0), Now); err != nil || len(before) > 0 {
			t.Errorf("before: %v, %v", before, err)
		}
		return err
	})
}

// testLargeReport keeps a report that does not fit into the memory of a draft.
// STORE_RECORDS makes it larger; make kill-test does.
func testLargeReport(t *testing.T, w World) {
	records := realtest.Count(t, "STORE_RECORDS", 4000)
	s := openRecords(t, w, store.RecordsAll)
	var all []string
	for i := range records {
		all = append(all, Record(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), i%10, "fail", "fail",
			fmt.Sprintf("<spf><domain>d%d.example</domain><result>fail</result></spf>", i%(records/4))))
	}
	d := Read(t, store.DraftConfig{Dir: t.TempDir()}, unpack.KindAggregate, Aggregate("1", 0, all...), Aggregate("2", 0, all[:10]...))
	if got := d.Details[0].Memory(); got > 128<<10 {
		t.Errorf("%d bytes in memory", got)
	}
	Commit(t, s, d)
	wantRows(t, w, "SELECT report_id, count(*), sum(count), count(DISTINCT source_ip), count(DISTINCT spf_domain) FROM dmarc_records GROUP BY 1 ORDER BY 1",
		fmt.Sprintf("1|%[1]d|%[2]d|%[1]d|%[3]d", records, records*9/2, records/4), "2|10|45|10|10")
}

// testHostileTexts brings what untrusted input may hold into SQL and JSON and back.
func testHostileTexts(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	texts := []string{"'); DROP TABLE reports; --", `{"a":"b"}`, `\u0000\"`, "=HYPERLINK(1)", "%s%n", "\u202ex\u2028y", strings.Repeat("x", 5000), "-- sqlite"}
	for i, text := range texts {
		escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
		record := Record(escaped, i+1, "fail", "fail", "<dkim><domain>"+escaped+"</domain><selector>"+escaped+"</selector><result>"+escaped+"</result></dkim>")
		Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate, strings.ReplaceAll(Aggregate(escaped, 0, record), "Example Mail", escaped)))
	}
	rows := w.Query(t, "SELECT r.org_name, r.report_id, k.source_ip, k.dkim_selector FROM dmarc_records k JOIN dmarc_reports r ON r.id = k.report_id ORDER BY k.count")
	if len(rows) != len(texts) {
		t.Fatalf("%d rows, want %d", len(rows), len(texts))
	}
	for i, row := range rows {
		for j, got := range row {
			if got == "" || len(texts[i]) < 1000 && got != texts[i] {
				t.Errorf("column %d is %q, want %q", j, got, texts[i])
			}
		}
	}
}

// testRetention drops what is older, and nothing else.
func testRetention(t *testing.T, w World) {
	clock := Now
	open := func() *store.Store {
		s, err := store.Open(context.Background(), w.Engine, store.Config{
			Retention: 40 * 24 * time.Hour, Counts: tally.Config{Now: func() time.Time { return clock }},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { Close(t, s) })
		return s
	}
	s := open()
	old := `<dkim><domain>old.example</domain><result>pass</result></dkim>`
	var many []string
	for i := range 5_100 { // more than one transaction drops
		many = append(many, Record(fmt.Sprintf("10.0.%d.%d", i>>8, i&255), 1, "fail", "fail", ""))
	}
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate,
		Aggregate("old", 39, Record("192.0.2.1", 1, "fail", "fail", old), Record("192.0.2.2", 1, "fail", "fail", auth)),
		Aggregate("large", 39, many...),
		Aggregate("new", 1, Record("192.0.2.1", 1, "fail", "fail", auth)),
	))
	prune := func() {
		t.Helper()
		if err := s.Prune(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	prune()
	wantRows(t, w, "SELECT count(*) FROM dmarc_reports", "3")
	clock = clock.AddDate(0, 0, 5)
	prune()
	wantRows(t, w, "SELECT report_id FROM dmarc_reports", "new")
	wantRows(t, w, "SELECT source_ip, dkim_domain FROM dmarc_records", "192.0.2.1|a.example")
	if got := Total(s.Snapshot(), tally.Messages); got != 5_103 {
		t.Errorf("%d messages, want 5103: counts do not change", got)
	}
	clock = clock.AddDate(0, 0, 30) // the month is over
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("newer", -30, Record("192.0.2.3", 1, "fail", "fail", auth))))
	clock = clock.AddDate(0, 0, 30)
	prune()
	wantRows(t, w, "SELECT source_ip, dkim_domain FROM dmarc_records", "192.0.2.3|a.example")
	wantRows(t, w, "SELECT count(*) FROM record_contents", "1")
	// What was dropped comes again and is known still.
	if got := Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("new", 1, Record("192.0.2.1", 1, "fail", "fail", auth)))); got[0] != tally.OutcomeDuplicate {
		t.Errorf("outcome %s, want duplicate", got[0])
	}
}
