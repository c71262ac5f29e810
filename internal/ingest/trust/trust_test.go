package trust_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/trust"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

const letter = "From: Reports <dmarc@mail.reporter.example>\r\nTo: rua@example.com\r\nSubject: Report\r\n" +
	"Date: Mon, 23 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@reporter.example>\r\n\r\nThe report.\r\n"

// zone is a DNS zone of TXT records that counts what is asked.
type zone struct {
	records map[string]string
	err     error
	asked   int
}

func (z *zone) lookup(_ context.Context, name string) ([]string, error) {
	z.asked++
	if z.err != nil {
		return nil, z.err
	}
	record, ok := z.records[name]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return []string{record}, nil
}

// signer signs mails with an Ed25519 and an RSA key.
type signer struct {
	edwards crypto.Signer
	rsa     crypto.Signer
	zone    *zone
}

func newSigner(t testing.TB) *signer {
	t.Helper()
	public, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaPublic, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	ed := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	return &signer{edwards: edwards, rsa: rsaKey, zone: &zone{records: map[string]string{
		"ed._domainkey.reporter.example":    ed,
		"tls._domainkey.reporter.example":   ed + "; s=tlsrpt",
		"both._domainkey.reporter.example":  ed + "; s=email : tlsrpt",
		"email._domainkey.reporter.example": "s=email; " + ed,
		"gone._domainkey.reporter.example":  "v=DKIM1; k=ed25519; p=",
		"huge._domainkey.reporter.example":  ed + "; n=" + strings.Repeat("x", 5000),
		"rsa._domainkey.reporter.example":   "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(rsaPublic),
		"ed._domainkey.stranger.example":    ed,
	}}}
}

// sign signs a mail for a domain.
func (s *signer) sign(t testing.TB, mail, domain, selector string) string {
	t.Helper()
	options := &dkim.SignOptions{
		Domain: domain, Selector: selector, Signer: s.edwards, Hash: crypto.SHA256,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		HeaderKeys: []string{"From", "To", "Subject", "Date", "Message-ID"},
	}
	if selector == "rsa" {
		options.Signer = s.rsa
	}
	var out bytes.Buffer
	if err := dkim.Sign(&out, strings.NewReader(mail), options); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// mail makes a Mail of its text.
func mail(text string) *unpack.Mail {
	end := strings.Index(strings.ReplaceAll(text, "\r", " "), "\n \n")
	if end < 0 {
		end = strings.Index(text, "\n\n")
	}
	return &unpack.Mail{Raw: []byte(text), Header: []byte(text[:end+1])}
}

func TestSignatures(t *testing.T) {
	s := newSigner(t)
	const domain = "reporter.example"
	good := s.sign(t, letter, domain, "ed")
	longBody := func(mail string) string { return strings.Replace(mail, "; d=", "; l=3; d=", 1) }
	many := letter
	for range 7 {
		many = s.sign(t, many, domain, "missing")
	}
	for _, test := range []struct {
		name   string
		mail   string
		kind   unpack.Kind
		want   trust.Outcome
		reason string
		asked  int
	}{
		{name: "ed25519", mail: good, want: trust.Pass, asked: 1},
		{name: "rsa", mail: s.sign(t, letter, domain, "rsa"), want: trust.Pass, asked: 1},
		{name: "bare line feeds", mail: strings.ReplaceAll(good, "\r", ""), want: trust.Pass, asked: 1},
		{name: "unsigned", mail: letter, want: trust.None, reason: "no signature"},
		{name: "body changed", mail: strings.Replace(good, "The report", "A report", 1), want: trust.Fail, reason: "body hash", asked: 1},
		{name: "field changed", mail: strings.Replace(good, "Subject: R", "Subject: r", 1), want: trust.Fail, reason: "did not verify", asked: 1},
		{name: "length", mail: longBody(good), want: trust.Fail, reason: "body length", asked: 1},
		{name: "of a stranger", mail: s.sign(t, letter, "stranger.example", "ed"), want: trust.Fail, reason: "no signature of mail.reporter.example"},
		{name: "of a public suffix", mail: s.sign(t, letter, "example", "ed"), want: trust.Fail, reason: "no signature of"},
		{name: "after that of a stranger", mail: s.sign(t, good, "stranger.example", "ed"), want: trust.Pass, asked: 1},
		{name: "after a broken one", mail: s.sign(t, good, domain, "missing"), want: trust.Pass, asked: 2},
		{name: "second From", mail: "From: ceo@example.com\r\n" + good, want: trust.Fail, reason: "2 From fields"},
		{name: "two addresses", mail: strings.Replace(good, "From: Reports", "From: a@example.com, Reports", 1), want: trust.Fail, reason: "2 addresses"},
		{name: "no From", mail: strings.Replace(good, "From: R", "Form: R", 1), want: trust.Fail, reason: "0 From fields"},
		{name: "no domain", mail: "From: nobody\r\n\r\n", want: trust.Fail, reason: "no domain"},
		{name: "no key", mail: s.sign(t, letter, domain, "missing"), want: trust.Fail, reason: "no key", asked: 1},
		{name: "key revoked", mail: s.sign(t, letter, domain, "gone"), want: trust.Fail, reason: "revoked", asked: 1},
		{name: "key too large", mail: s.sign(t, letter, domain, "huge"), want: trust.Fail, reason: "key record of", asked: 1},
		{name: "too many", mail: many, want: trust.Fail, reason: "no key", asked: 5},
		{
			name: "too many fields", mail: strings.Replace(good, "h=From:", "h=From:"+strings.Repeat("a:", 300), 1),
			want: trust.Fail, reason: "too many fields",
		},
		{name: "key for TLS only", mail: s.sign(t, letter, domain, "tls"), want: trust.Fail, reason: "service", asked: 1},
		{name: "TLS", kind: unpack.KindTLS, mail: good, want: trust.Pass, asked: 1},
		{name: "TLS, key for TLS only", kind: unpack.KindTLS, mail: s.sign(t, letter, domain, "tls"), want: trust.Pass, asked: 1},
		{name: "TLS, key for both", kind: unpack.KindTLS, mail: s.sign(t, letter, domain, "both"), want: trust.Pass, asked: 1},
		{name: "TLS, key for email only", kind: unpack.KindTLS, mail: s.sign(t, letter, domain, "email"), want: trust.Fail, reason: "not for tlsrpt", asked: 1},
		{name: "TLS, length", kind: unpack.KindTLS, mail: longBody(good), want: trust.Fail, reason: "body length", asked: 1},
		{name: "TLS, unsigned", kind: unpack.KindTLS, mail: letter, want: trust.None},
	} {
		t.Run(test.name, func(t *testing.T) {
			zone := &zone{records: s.zone.records}
			if test.kind == "" {
				test.kind = unpack.KindAggregate
			}
			policy := trust.Policy{Mode: trust.ModeRequire, LookupTXT: zone.lookup}
			got := policy.Check(t.Context(), mail(test.mail), test.kind)
			if got.Outcome != test.want || !strings.Contains(got.Reason, test.reason) || got.Temporary {
				t.Errorf("got %+v, want %s because of %q", got, test.want, test.reason)
			}
			if got.Outcome == trust.Pass && got.Domain != domain {
				t.Errorf("domain %q, want %q", got.Domain, domain)
			}
			if policy.Refuses(got) != (test.want != trust.Pass) {
				t.Errorf("Refuses: %t", policy.Refuses(got))
			}
			if zone.asked != test.asked {
				t.Errorf("%d keys looked up, want %d", zone.asked, test.asked)
			}
		})
	}
}

// TestTemporary does not take a DNS that is down for a forgery.
func TestTemporary(t *testing.T) {
	s := newSigner(t)
	signed := mail(s.sign(t, letter, "reporter.example", "ed"))
	for _, err := range []error{&net.DNSError{Err: "timeout", IsTimeout: true, IsTemporary: true}, context.DeadlineExceeded, errors.New("refused")} {
		policy := trust.Policy{Mode: trust.ModeLabel, LookupTXT: (&zone{err: err}).lookup}
		got := policy.Check(t.Context(), signed, unpack.KindAggregate)
		if got.Outcome != trust.Fail || !got.Temporary || policy.Refuses(got) {
			t.Errorf("%v: %+v, want a temporary failure", err, got)
		}
	}
}

func TestOffAndNoMail(t *testing.T) {
	s := newSigner(t)
	signed := mail(s.sign(t, letter, "reporter.example", "ed"))
	for _, policy := range []trust.Policy{{}, {Mode: trust.ModeOff, LookupTXT: s.zone.lookup}} {
		if got := policy.Check(t.Context(), signed, unpack.KindAggregate); got.Outcome != trust.None || policy.Refuses(got) {
			t.Errorf("%+v: %+v, want none", policy.Mode, got)
		}
	}
	policy := trust.Policy{Mode: trust.ModeRequire, LookupTXT: s.zone.lookup}
	if got := policy.Check(t.Context(), nil, unpack.KindAggregate); got.Outcome != trust.None || !policy.Refuses(got) {
		t.Errorf("no mail: %+v, want none", got)
	}
	if s.zone.asked != 0 {
		t.Errorf("%d keys looked up", s.zone.asked)
	}
}

// TestOutermost judges the mail that was delivered, not the one attached to it.
func TestOutermost(t *testing.T) {
	s := newSigner(t)
	inner := mail(s.sign(t, letter, "reporter.example", "ed"))
	inner.Outer = mail(strings.Replace(letter, "reporter.example", "stranger.example", 2))
	policy := trust.Policy{Mode: trust.ModeLabel, LookupTXT: s.zone.lookup}
	if got := policy.Check(t.Context(), inner, unpack.KindAggregate); got.Outcome != trust.None {
		t.Errorf("got %+v, want none", got)
	}
}

func TestAuthenticationResults(t *testing.T) {
	field := func(lines ...string) string {
		var out string
		for _, l := range lines {
			out += "Authentication-Results: " + l + "\r\n"
		}
		return out + letter
	}
	for _, test := range []struct {
		name  string
		mail  string
		kind  unpack.Kind
		want  trust.Outcome
		match string
	}{
		{name: "dkim", mail: field("mx.mine.example; dkim=pass header.d=reporter.example"), want: trust.Pass},
		{name: "dkim by identity", mail: field("mx.mine.example 1; dkim=pass (2048-bit key; ok) header.i=@reporter.example header.s=a"), want: trust.Pass},
		{name: "dmarc", mail: field("MX.mine.example;\r\n\tspf=fail smtp.mailfrom=x@y.example;\r\n\tdmarc=pass (p=none (x) dis=none) header.from=mail.reporter.example"), want: trust.Pass},
		{name: "none at all", mail: letter, want: trust.None},
		{name: "foreign", mail: field("mx.evil.example; dmarc=pass header.from=mail.reporter.example"), want: trust.None},
		{name: "below a foreign one", mail: field("mx.evil.example; dkim=fail", "mx.mine.example; dkim=pass header.d=reporter.example"), want: trust.Pass},
		{name: "forged below the true one", mail: field("mx.mine.example; dkim=fail header.d=reporter.example", "mx.mine.example; dkim=pass header.d=reporter.example"), want: trust.Fail},
		{name: "not checked", mail: field("mx.mine.example; none"), want: trust.None},
		{name: "empty", mail: field(""), want: trust.None},
		{name: "unsigned", mail: field("mx.mine.example; dkim=none"), want: trust.None},
		{name: "of a stranger", mail: field("mx.mine.example; dkim=pass header.d=stranger.example"), want: trust.Fail, match: "stranger.example"},
		{name: "stranger, then aligned", mail: field("mx.mine.example; dkim=pass header.d=stranger.example; dkim=pass header.d=reporter.example"), want: trust.Pass},
		{name: "spf only", mail: field("mx.mine.example; spf=pass smtp.mailfrom=reporter.example"), want: trust.None},
		{name: "in a comment", mail: field("mx.mine.example; spf=pass (x; dmarc=pass header.from=mail.reporter.example) smtp.mailfrom=y.example"), want: trust.None},
		{name: "in an escaped comment", mail: field(`mx.mine.example; spf=pass (\) ; dmarc=pass header.from=mail.reporter.example) smtp.mailfrom=y.example`), want: trust.None},
		{name: "in a quoted string", mail: field(`mx.mine.example; spf=pass smtp.mailfrom="a; dmarc=pass header.from=mail.reporter.example "@evil.example`), want: trust.None},
		{name: "second value", mail: field("mx.mine.example; dkim=pass header.d=stranger.example header.d=reporter.example"), want: trust.Fail},
		{name: "TLS, dkim", kind: unpack.KindTLS, mail: field("mx.mine.example; dkim=pass header.d=reporter.example"), want: trust.Pass},
		{name: "TLS, dmarc only", kind: unpack.KindTLS, mail: field("mx.mine.example; dmarc=pass header.from=mail.reporter.example"), want: trust.None},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := trust.Policy{Mode: trust.ModeLabel, AuthServIDs: []string{"mx.mine.example"}}
			got := policy.Check(t.Context(), mail(test.mail), test.kind)
			if got.Outcome != test.want || !strings.Contains(got.Reason, test.match) {
				t.Errorf("got %+v, want %s because of %q", got, test.want, test.match)
			}
		})
	}
}

// TestBoth weighs an own verification above what a server says.
func TestBoth(t *testing.T) {
	s := newSigner(t)
	signed := s.sign(t, letter, "reporter.example", "ed")
	policy := trust.Policy{Mode: trust.ModeLabel, LookupTXT: s.zone.lookup, AuthServIDs: []string{"mx.mine.example"}}
	for _, test := range []struct {
		mail string
		want trust.Outcome
	}{
		{"Authentication-Results: mx.mine.example; dkim=fail header.d=reporter.example\r\n" + signed, trust.Pass},
		{"Authentication-Results: mx.mine.example; dmarc=pass header.from=mail.reporter.example\r\n" + letter, trust.Pass},
		{"Authentication-Results: mx.mine.example; dmarc=fail header.from=mail.reporter.example\r\n" + letter, trust.Fail},
	} {
		if got := policy.Check(t.Context(), mail(test.mail), unpack.KindAggregate); got.Outcome != test.want {
			t.Errorf("%q: %+v, want %s", test.mail, got, test.want)
		}
	}
}

// TestHostileIsQuick bounds the time for mails that are made to take long.
func TestHostileIsQuick(t *testing.T) {
	s := newSigner(t)
	signed := s.sign(t, letter, "reporter.example", "ed")
	for name, text := range map[string]string{
		"empty lines":    signed + strings.Repeat("\r\n", 4<<20),
		"many fields":    strings.Repeat("a:\r\n", 4_900) + strings.Replace(signed, "h=From:", "h=From:"+strings.Repeat("b:", 150), 1),
		"more fields":    strings.Repeat("a:\r\n", 200_000) + signed,
		"signatures":     strings.Repeat("DKIM-Signature: d=reporter.example\r\n", 20_000) + letter,
		"open comment":   "Authentication-Results: mx.mine.example; x=(" + strings.Repeat("(", 500_000) + "\r\n" + letter,
		"many words":     "Authentication-Results: mx.mine.example; x=" + strings.Repeat("y ()", 100_000) + "\r\n" + letter,
		"many addresses": "From: " + strings.Repeat("a@b.example,", 10_000) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			policy := trust.Policy{Mode: trust.ModeLabel, LookupTXT: s.zone.lookup, AuthServIDs: []string{"mx.mine.example"}}
			start := time.Now()
			policy.Check(t.Context(), mail(text), unpack.KindAggregate)
			if took := time.Since(start); took > realtest.Patience {
				t.Errorf("took %s", took)
			}
		})
	}
}

// FuzzCheck never lets a mail pass that was not signed: the only key is unknown
// to the fuzzer.
func FuzzCheck(f *testing.F) {
	s := newSigner(f)
	f.Add([]byte(strings.Replace(s.sign(f, letter, "reporter.example", "ed"), "The", "A", 1)))
	f.Add([]byte("Authentication-Results: mx.mine.example; dmarc=(\"\\pass header.from=a.example\r\nFrom: a@a.example\r\n\r\n"))
	f.Add([]byte(letter))
	policy := trust.Policy{Mode: trust.ModeLabel, LookupTXT: s.zone.lookup, AuthServIDs: []string{fmt.Sprint(time.Now().UnixNano())}}
	f.Fuzz(func(t *testing.T, text []byte) {
		head, _, _ := bytes.Cut(text, []byte("\n\n"))
		got := policy.Check(t.Context(), &unpack.Mail{Raw: text, Header: head}, unpack.KindAggregate)
		if got.Outcome != trust.Fail && got.Outcome != trust.None {
			t.Errorf("%+v", got)
		}
	})
}
