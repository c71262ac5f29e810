package ingest_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/dmarcconfig"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/trust"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// siege is an exporter that gets honest mails and ten times as many others.
type siege struct {
	clock    time.Time // right
	ahead    time.Duration
	booted   time.Time
	counts   *store.Store
	pipeline *ingest.Pipeline
	random   *rand.Rand
	n        int
	messages map[string]int64 // of honest reports, as the labels of tally.AuthenticMessages
}

func newSiege(t *testing.T, seed uint64) *siege {
	t.Helper()
	start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	s := &siege{clock: start, booted: start, random: rand.New(rand.NewPCG(seed, 0)), messages: map[string]int64{}}
	now := func() time.Time { return s.clock.Add(s.ahead) }
	var err error
	s.counts, err = store.Open(t.Context(), sqlite.File{Path: filepath.Join(t.TempDir(), "state.db")}, store.Config{
		Counts: tally.Config{Domains: []string{"shop.example"}, Now: now},
		Clock:  store.Clock{Built: start.AddDate(0, 0, -10), Elapsed: func() time.Duration { return s.clock.Sub(s.booted) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.counts.Close() })
	config := dmarcconfig.File{Trust: dmarcconfig.Trust{Mode: trust.ModeLabel, AuthServIDs: []string{"mx.shop.example"}, NoDKIM: true}}
	s.pipeline = ingest.NewPipeline(s.counts, ingest.PipelineConfig{
		Authenticate: config.Authenticator(), Now: now, Limits: tally.Limits{Work: 25_000}, Workers: 1,
	})
	return s
}

// claim is what a report says.
type claim struct {
	org, email, id, domain, policy string
	end                            time.Time
	count                          int64
	records                        int
}

func (c claim) text() string {
	record := fmt.Sprintf(`<record><row><source_ip>192.0.2.1</source_ip><count>%d</count><policy_evaluated><disposition>none</disposition>`+
		`<dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>%s</header_from></identifiers></record>`, c.count, c.domain)
	return fmt.Sprintf(`<feedback><report_metadata><org_name>%s</org_name><email>%s</email><report_id>%s</report_id>`+
		`<date_range><begin>%d</begin><end>%d</end></date_range></report_metadata><policy_published><domain>%s</domain><p>%s</p></policy_published>%s</feedback>`,
		c.org, c.email, c.id, c.end.Add(-time.Hour).Unix(), c.end.Unix(), c.domain, c.policy, strings.Repeat(record, max(c.records, 1)))
}

// letter is a mail whose DKIM signature was of a domain, or failed if there is none.
func (s *siege) letter(signed, from string, reports ...string) []byte {
	auth := "dkim=fail header.d=google.com"
	if signed != "" {
		auth = "dkim=pass header.d=" + signed
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Authentication-Results: mx.shop.example; %s\r\nReceived: by mx.shop.example; %s\r\nFrom: dmarc@%s\r\nContent-Type: multipart/mixed; boundary=b\r\n",
		auth, s.clock.Format(time.RFC1123Z), from)
	for _, report := range reports {
		fmt.Fprintf(&b, "\r\n--b\r\nContent-Type: text/xml\r\n\r\n%s", report)
	}
	b.WriteString("\r\n--b--\r\n")
	return b.Bytes()
}

// reporters are honest ones by the domain that they sign for.
var reporters = map[string]string{
	"google.com": "google.com", "Enterprise Outlook": "microsoft.com", "Yahoo": "yahooinc.com", "small.example": "small.example",
	"Kleine Post": "post.example", "mail.town.example": "town.example",
}

// honest is what a reporter sends now.
func (s *siege) honest(org string) (claim, []byte) {
	s.n++
	domain := reporters[org]
	c := claim{
		org: org, email: "dmarc@" + domain, id: fmt.Sprint(org, s.clock.Unix()), domain: "shop.example", policy: "reject",
		end: s.clock.Truncate(time.Hour), count: int64(1 + s.n%50),
	}
	return c, s.letter(domain, domain, c.text())
}

// attack is one of the mails that others send, some of them with what an honest
// reporter is about to send or has sent.
func (s *siege) attack(next claim, sent []byte) []byte {
	s.n++
	forged := next
	switch s.random.IntN(11) {
	case 0: // takes the identity before its owner comes
		forged.count += 1000
	case 1: // in its name, and hides a silence
		forged.id, forged.policy, forged.end = fmt.Sprint("f", s.n), "none", s.clock
		forged.count = 90_000_000
	case 2: // names that nobody has
		var all []string
		for i := range 20 {
			c := claim{org: fmt.Sprintf("evil%d-%d.example", s.n, i), email: "a@b.example", id: "1", domain: "shop.example", policy: "none", end: s.clock, count: 1}
			all = append(all, c.text())
		}
		return s.letter("", "evil.example", all...)
	case 3: // names that its owner signs for, about other domains
		forged = claim{org: fmt.Sprintf("n%d.evil.example", s.n), email: "a@evil.example", id: "1", domain: fmt.Sprintf("d%d.example", s.n), policy: "none", end: s.clock, count: 7}
		return s.letter("evil.example", "evil.example", forged.text())
	case 4: // in the name of another, signed
		forged.id, forged.policy, forged.count = fmt.Sprint("s", s.n), "none", 5_000_000
		return s.letter("evil.example", "evil.example", forged.text())
	case 5: // again
		return bytes.Replace(sent, []byte("dkim=pass"), []byte("dkim=fail"), 1)
	case 6: // more than anybody has
		forged.id, forged.count = fmt.Sprint("a", s.n), 1e12
	case 7: // from the future, and from the past
		forged.id, forged.end = fmt.Sprint("t", s.n), s.clock.AddDate(0, []int{-24, 24}[s.n%2], 0)
	case 8: // dear to read
		forged.id, forged.records = fmt.Sprint("w", s.n), 600
	case 9: // spelled in another way
		forged.id, forged.org = fmt.Sprint("o", s.n), strings.ToUpper(next.org)
	default: // no report
		return []byte("From: a@b.example\r\nSubject: \xff\r\n\r\n<feedback><report_metadata>")
	}
	return s.letter("", "google.com", forged.text())
}

// deliver delivers a mail, and reports whether it waits.
func (s *siege) deliver(t *testing.T, mail []byte) (waits bool) {
	t.Helper()
	_, err := ingest.Deliver(s.pipeline.Deliver).One(t.Context(), &ingest.Delivery{Source: "imap:a", Name: fmt.Sprint(s.n), Body: bytes.NewReader(mail), Size: int64(len(mail))})
	if err != nil && !errors.Is(err, store.ErrClock) && !errors.Is(err, ingest.ErrNotNow) {
		t.Fatal(err)
	}
	return err != nil
}

// TestAttack counts the mails of a day, or of ATTACK_DAYS, ten of eleven of them
// hostile, while the clock is wrong for a while: every honest number is exact,
// every honest label is there, and neither series nor memory grow beyond their
// bounds.
func TestAttack(t *testing.T) {
	seed := rand.Uint64()
	s := newSiege(t, seed)
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	var sent []byte
	var waiting [][]byte
	var last time.Time
	for round := range 6 * realtest.Count(t, "ATTACK_DAYS", 1) { // of four hours
		s.ahead = 0
		switch round % 6 {
		case 2:
			s.ahead = 14 * 365 * 24 * time.Hour
		case 4:
			s.ahead = -5 * 24 * time.Hour
		}
		for _, org := range slices.Sorted(maps.Keys(reporters)) {
			next, mail := s.honest(org)
			for i := range 10 {
				if i == 5 && s.deliver(t, mail) {
					waiting = append(waiting, mail)
				}
				s.deliver(t, s.attack(next, sent))
			}
			sent, last = mail, next.end
			s.messages["shop.example,"+string(tally.ClassDKIMOnly)] += next.count
			s.clock = s.clock.Add(40 * time.Minute)
		}
		if s.ahead != 0 && len(waiting) != len(reporters) {
			t.Errorf("%d honest mails wait for the clock, want all %d", len(waiting), len(reporters))
		}
		if s.ahead == 0 {
			waiting = slices.DeleteFunc(waiting, func(mail []byte) bool { return !s.deliver(t, mail) })
		}
	}
	for _, mail := range waiting {
		t.Errorf("never taken: %.200s", mail)
	}
	snapshot := s.counts.Snapshot()
	got, series := map[string]int64{}, 0
	for f, all := range snapshot.Series {
		series += len(all)
		for _, one := range all {
			if f == tally.AuthenticMessages && one.Value > 0 && one.Labels[0] != tally.Other {
				got[strings.Join(one.Labels, ",")] = one.Value
			}
		}
	}
	if diff := cmp.Diff(s.messages, got); diff != "" {
		t.Errorf("messages of honest reports (-want +got):\n%s", diff)
	}
	for org := range reporters {
		if sumOf(snapshot, tally.ReporterMessages, org) == 0 {
			t.Errorf("no label for %s", org)
		}
	}
	if d := snapshot.Domains[0]; d.Policy == nil || d.Policy.P != "reject" || !d.LastEnd.Equal(last) {
		t.Errorf("policy %+v and last end %s, want reject and %s", d.Policy, d.LastEnd, last)
	}
	if series > tally.DefaultBudget {
		t.Errorf("%d series, the budget is %d", series, tally.DefaultBudget)
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if memory.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB of heap", memory.HeapAlloc>>20)
	}
}

// sumOf adds up the series of a family with a first label.
func sumOf(s *tally.Snapshot, f tally.Family, label string) (n int64) {
	for _, one := range s.Series[f] {
		if one.Labels[0] == label {
			n += one.Value
		}
	}
	return n
}
