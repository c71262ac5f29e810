package unpack_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

const textPart = "Content-Type: text/plain; charset=utf-8\r\n\r\nThis is a report.\r\n"

// spaced puts white space into base64 in odd places.
func spaced(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", " \r\n\r\n"), "A", " A\t")
}

// quoted encodes as quoted-printable with soft line breaks.
func quoted(b []byte) string {
	s := strings.ReplaceAll(string(b), "=", "=3D")
	s = strings.ReplaceAll(s, "\n", "\r\n")
	return strings.ReplaceAll(s, "<email>", "<ema=\r\nil>")
}

func TestMails(t *testing.T) {
	a := gz(report("A"))
	b64A := b64(a)
	zipA := zipped(file{"a.xml", report("A"), false})
	single := func(fields, body string) []byte { return []byte(mailHeader + entity(fields, body)) }
	lf := func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), "\r\n", "\n")) }
	gzPart := attachment("application/gzip", a)
	whole := mixed(gzPart)
	crlfA := strings.ReplaceAll(string(report("A")), "\n", "\r\n")
	runQuirks(t, []quirk{
		{"mail-gzip", whole, "aggregate A"},
		{"mail with zip", mixed(attachment("application/zip", zipA)), "aggregate A"},
		{"mail-octet-noname", mixed(attachment("application/octet-stream", a)), "aggregate A"},
		{"mail-odd-type", mixed(attachment("application/x-zip-compressed", zipA)), "aggregate A"},
		{"mail-type-lies", mixed(attachment("application/zip", a)), "aggregate A"},
		{"mail-xml-type", mixed(attachment("text/xml", report("A"))), "aggregate A"},
		{"type text/plain", mixed(attachment("text/plain", a)), "aggregate A"},
		{"no type", mixed(entity("Content-Transfer-Encoding: base64", b64A)), "aggregate A"},
		{"no part header", mixed("\r\n" + string(report("A"))), "aggregate A"},
		{"mail-part-header", mixed(string(report("A"))), "aggregate A !mail_broken_header"},
		{"mail-xml-7bit", mixed(entity("Content-Type: text/xml\r\nContent-Transfer-Encoding: 7bit", string(report("A")))), "aggregate A"},
		{"mail-xml-8bit", mixed(entity("Content-Type: text/xml\r\nContent-Transfer-Encoding: 8BIT", crlfA)), "aggregate A crlf"},
		{"mail-xml-qp", mixed(entity("Content-Type: text/xml\r\nContent-Transfer-Encoding: Quoted-Printable", quoted(report("A")))), "aggregate A crlf"},
		{"quoted-printable, not declared", mixed(entity("Content-Type: text/xml", quoted(report("A")))), "aggregate A crlf !encoding_undeclared"},
		{"quoted-printable with bad escapes", mixed(entity("Content-Type: text/xml\r\nContent-Transfer-Encoding: quoted-printable", string(report("A")))), "aggregate A !quoted_printable_invalid"},
		{"base64, not declared", mixed(entity("Content-Type: application/gzip", b64A)), "aggregate A !encoding_undeclared"},
		{"encoding-lies", mixed(entity("Content-Type: text/xml\r\nContent-Transfer-Encoding: base64", string(report("A")))), "aggregate A !encoding_wrong"},
		{"declared base64, is binary", mixed(entity("Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64", string(a))), "aggregate A !encoding_wrong"},
		{"unknown encoding", mixed(entity("Content-Type: text/xml\r\nContent-Transfer-Encoding: x-none", string(report("A")))), "aggregate A !encoding_unknown"},
		{"encoding that is not read", mixed(entity("Content-Transfer-Encoding: x-yenc", "=ybegin line=128\r\n")), "error encoding"},
		{"mail-binary-cte", mixed(entity("Content-Type: application/gzip\r\nContent-Transfer-Encoding: binary", string(a))), "aggregate A"},
		{"mail-contenttype-typo", mixed(entity("ContentType: application/zip\r\nContent-Transfer-Encoding: base64", b64(zipA))), "aggregate A"},
		{"contenttype typo on top", []byte(strings.ReplaceAll(string(whole), "Content-Type: multipart", "ContentType: multipart")), "aggregate A"},
		{"mail-single", single("Content-Type: application/zip\r\nContent-Transfer-Encoding: base64", b64(zipA)), "aggregate A"},
		{"body is xml", single("Content-Type: text/xml", string(report("A"))), "aggregate A"},
		{"mail-nested", mixed(entity("Content-Type: message/rfc822", string(whole))), "aggregate A"},
		{"mail-nested in base64", mixed(attachment("message/rfc822", whole)), "aggregate A"},
		{"mail-octet-eml", mixed(attachment("application/octet-stream; name=report.eml", whole)), "aggregate A"},
		{"mail in gzip", gz(whole), "aggregate A"},
		{"mail in mail in mail", mixed(attachment("message/rfc822", mixed(attachment("message/rfc822", whole)))), "aggregate A"},
		{"mail-two-reports", mixed(gzPart, attachment("application/zip", zipped(file{"b.xml", report("B"), false}))), "aggregate A\naggregate B"},
		{"mail-decoy-first", mixed(attachment("image/png", []byte("\x89PNG\r\n\x1a\n")), gzPart, entity("Content-Type: text/html; charset=x-unknown", "<p>hi</p>")), "aggregate A"},
		{"mail-bad-charset", mixed(entity("Content-Type: text/plain; charset=x-no\r\nContent-Transfer-Encoding: quoted-printable", "=E9=ZZ"), gzPart), "aggregate A"},
		{"alternative in related in mixed", mixed(multipart("multipart/related", "rel", multipart("multipart/alternative", "alt", textPart), gzPart)), "aggregate A"},
		{"mail-no-end-boundary", []byte(strings.ReplaceAll(string(whole), "--=_b1--\r\n", "")), "aggregate A !mail_no_end_boundary"},
		{"no end and cut", whole[:len(whole)-120], "aggregate fails truncated !mail_no_end_boundary"},
		{"mail-lf", lf(whole), "aggregate A"},
		{"mail-mboxline", cat([]byte("From MAILER-DAEMON Tue Dec  1 04:00:00 2026\n"), lf(whole)), "aggregate A"},
		{"quoted envelope line", cat([]byte(">From MAILER-DAEMON Tue Dec  1 04:00:00 2026\n"), lf(whole)), "aggregate A"},
		{"empty lines on top", cat([]byte("\r\n\r\n"), whole), "aggregate A !leading_junk"},
		{"mail-broken-header", cat([]byte("X-broken header without a colon\r\n"), whole), "aggregate A !mail_broken_header"},
		{"boundary without quotes", []byte(strings.ReplaceAll(string(whole), `"=_b1"`, `=_b1`)), "aggregate A"},
		{"boundary in pieces", []byte(strings.ReplaceAll(string(whole), `boundary="=_b1"`, "boundary*0=\"=_\";\r\n boundary*1=b1")), "aggregate A"},
		{"boundary folded and escaped", []byte(strings.ReplaceAll(string(whole), `boundary="=_b1"`, "\r\n\tBoundary = \"=\\_b1\"; x=\"a;b\"")), "aggregate A"},
		{"boundary not declared", []byte(strings.ReplaceAll(string(whole), `; boundary="=_b1"`, "")), "aggregate A !mail_boundary_guessed"},
		{"boundary declared wrong", []byte(strings.ReplaceAll(string(whole), `"=_b1"`, `"other"`)), "aggregate A !mail_boundary_guessed"},
		{"boundary is a prefix", []byte(mailHeader + multipart("multipart/mixed", "b", multipart("multipart/mixed", "bb", textPart, gzPart), textPart)), "aggregate A"},
		{"boundary-reused", mixed(entity("Content-Type: message/rfc822", string(whole)), attachment("application/gzip", gz(report("B")))), "aggregate A\naggregate B"},
		{"white space behind the boundary", []byte(strings.ReplaceAll(string(whole), "--=_b1\r\n", "--=_b1 \t\r\n")), "aggregate A"},
		{"empty part", mixed("", gzPart), "aggregate A"},
		{"mail-name-continuation", mixed(attachment("application/gzip; name*0=\"a\"; name*1=\"b.xml.gz\"", a)), "aggregate A"},
		{"mail-inline", mixed("Content-Disposition: inline\r\n" + gzPart), "aggregate A"},
		{"b64 without padding, in one line", mixed(entity("Content-Transfer-Encoding: BASE64 ", strings.TrimRight(base64.StdEncoding.EncodeToString(a), "="))), "aggregate A"},
		{"b64 with spaces", mixed(entity("Content-Transfer-Encoding: base64", spaced(b64A))), "aggregate A"},
		{"mail-b64-garbage", mixed(entity("Content-Transfer-Encoding: base64", b64A+"\r\n____________\r\nScanned by MailGuard!\r\n")), "aggregate A !base64_junk"},
		{"b64 with a footer of words", mixed(entity("Content-Transfer-Encoding: base64", b64A+"\r\nSent from my phone\r\n")), "aggregate A !gzip_trailing_junk"},
		{"b64 with a stray character", mixed(entity("Content-Transfer-Encoding: base64", b64A[:50]+"!"+b64A[50:])), "aggregate A !base64_junk"},
		{"b64 with a line between", mixed(entity("Content-Transfer-Encoding: base64", b64A[:78]+"-- a gateway was here --\r\n"+b64A[78:])), "aggregate A !base64_junk"},
		{"b64 in two padded halves", mixed(entity("Content-Transfer-Encoding: base64", b64(a[:100])+b64(a[100:]))), "aggregate A"},
		{"tls-mail", single("TLS-Report-Domain: shop.example\r\nContent-Type: application/tlsrpt+json", tlsReport), "tls T"},
		{"tls-mail in a report", []byte(mailHeader + multipart("multipart/report; report-type=tlsrpt", "x", textPart, attachment("application/tlsrpt+gzip", gz([]byte(tlsReport))))), "tls T"},
		{"both kinds", mixed(gzPart, attachment("application/tlsrpt+gzip", gz([]byte(tlsReport)))), "aggregate A\ntls T"},
		{"no report", mixed(), "error not_a_report"},
		{"no body", []byte(mailHeader), "error not_a_report"},
		{"unused", mixed(attachment("application/gzip", []byte("unused"))), "error not_a_report"},
		{"mail-malware-zip", mixed(attachment("application/zip", zipped(file{"invoice.exe", []byte("MZ\x90"), false}))), "error not_a_report"},
		{"empty attachment", mixed(attachment("application/gzip", gz(nil))), "error empty"},
		{"damaged beside good", mixed(attachment("application/gzip", a[:9]), gzPart), "refused truncated\naggregate A"},
		{"winmail.dat beside good", mixed(attachment("application/ms-tnef", []byte("\x78\x9f\x3e\x22\x01")), gzPart), "refused unsupported\naggregate A"},
		{"outlook message", mixed(attachment("application/vnd.ms-outlook", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"))), "refused unsupported"},
		{"s/mime", single("Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64", b64([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80"))), "refused encrypted"},
		{"s/mime signed around the mail", single("Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64", b64([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80"))), "refused unsupported"},
		{"s/mime signature", mixed(gzPart, attachment("application/pkcs7-signature", []byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80"))), "aggregate A"},
		{"pgp", mixed(entity("Content-Type: application/octet-stream", "-----BEGIN PGP MESSAGE-----\r\n\r\nhQEM\r\n")), "refused encrypted"},
		{"mail in pieces", single("Content-Type: message/partial; number=1; total=2; id=x", b64A), "refused unsupported"},
		{"text with a colon", []byte("Note: this is no mail\nnor a report\n"), "error not_a_report"},
	}, map[string][]byte{"A crlf": []byte(crlfA)})
}

func TestBouncesAreEvidence(t *testing.T) {
	returned := entity("Content-Type: message/rfc822", string(mixed(attachment("application/gzip", gz(report("A"))))))
	status := entity("Content-Type: message/delivery-status", "Reporting-MTA: dns; mx.example\r\n\r\nAction: failed\r\n")
	runQuirks(t, []quirk{
		{"declared", []byte(mailHeader + multipart("multipart/report; report-type=delivery-status", "d", textPart, status, returned)), "error not_a_report"},
		{"declared by the part only", []byte(mailHeader + multipart("multipart/mixed", "d", textPart, status, returned)), "error not_a_report"},
		{"read receipt", []byte(mailHeader + multipart("multipart/report; report-type=disposition-notification", "d", textPart, returned)), "error not_a_report"},
	})
}

func TestFailureReports(t *testing.T) {
	evidence := entity("Content-Type: message/rfc822", string(mixed(attachment("application/gzip", gz(report("A"))))))
	feedback := entity("Content-Type: message/feedback-report", feedbackReport)
	arf := "multipart/report; report-type=feedback-report"
	gzA := attachment("application/gzip", gz(report("A")))
	plain := "A message claiming to be from you has failed the published DMARC\r\npolicy for your domain.\r\n\r\n" +
		"  Sender Domain: shop.example\r\n  Sender IP Address: 192.0.2.9\r\n  Received Date: Tue, 01 Dec 2026 04:00:00 +0000\r\n" +
		"  SPF Alignment: no\r\n  DKIM Alignment: no\r\n  DMARC Results: Reject\r\n"
	mail := func(s string) []byte { return []byte(mailHeader + s) }
	runQuirks(t, []quirk{
		{"fail-basic", mail(multipart(arf, "f", textPart, feedback)), "failure whole"},
		{"fail-inner-report", mail(multipart(arf, "f", textPart, feedback, evidence)), "failure whole"},
		{"evidence first", mail(multipart(arf, "f", evidence, feedback)), "failure whole"},
		{"report beside the feedback", mail(multipart(arf, "f", textPart, feedback, gzA)), "failure whole"},
		{"report behind a forged end", mail(multipart(arf, "f", textPart, feedback) + "--f\r\n" + gzA + "\r\n--f--\r\n"), "failure whole"},
		{"report around the feedback", mail(multipart("multipart/mixed", "o", gzA, multipart(arf, "f", textPart, feedback), gzA)), "failure whole"},
		{"type mixed", mail(multipart("multipart/mixed", "f", textPart, feedback, evidence)), "failure whole"},
		{"no feedback part", mail(multipart(arf, "f", textPart, evidence)), "failure whole"},
		{"fail-base64", mail(multipart("multipart/mixed", "f", textPart, attachment("application/octet-stream", []byte(feedbackReport)), evidence)), "failure whole"},
		{"type lies", mail(multipart("multipart/mixed", "f", textPart, entity("Content-Type: text/plain", feedbackReport), gzA)), "failure whole"},
		{"arf-abuse", mail(multipart(arf, "f", textPart, entity("Content-Type: message/feedback-report", strings.Replace(feedbackReport, "auth-failure", "abuse", 1)))), "failure whole"},
		{"plain text", mail(entity("Content-Type: text/plain", plain)), "failure whole"},
		{"plain text without a type", mail("\r\n" + plain + "\r\n" + string(mixed(gzA))), "failure whole"},
		{"bare feedback report", []byte(feedbackReport), "failure whole"},
	})

	inside := mail(multipart(arf, "f", textPart, feedback, entity("Content-Type: message/rfc822", mailHeader+multipart("multipart/mixed", "=_in", gzA))))
	insideLF := []byte(strings.ReplaceAll(string(inside), "\r\n", "\n"))
	breaksOut := mail(multipart(arf, "f", textPart, feedback, evidence))
	cut := breaksOut[:strings.Index(string(breaksOut), "\r\n--=_b1")]
	bounce := mail(multipart("multipart/report; report-type=delivery-status", "d", textPart, evidence))
	runQuirks(t, []quirk{
		{"forwarded", mixed(entity("Content-Type: message/rfc822", string(inside)), gzA), "failure inside\naggregate A"},
		{"forwarded in base64", mixed(attachment("message/rfc822", inside)), "failure inside"},
		{"forwarded twice", mixed(entity("Content-Type: message/rfc822", mailHeader+multipart("multipart/mixed", "o", entity("Content-Type: message/rfc822", string(inside))))), "failure inside"},
		{"in an mbox", cat([]byte("From x Tue Dec  1 04:00:00 2026\n"), insideLF, []byte("\nFrom x Tue Dec  1 04:00:00 2026\n"), mixed(gzA)), "failure inside lf\naggregate A"},
		{"evidence with the boundary of the mail around", mixed(entity("Content-Type: message/rfc822", string(breaksOut)), gzA), "failure cut !mail_no_end_boundary\nrefused corrupt"},
		{"returned mail with the boundary of the mail around", mixed(entity("Content-Type: message/rfc822", string(bounce)), gzA), "refused corrupt"},
	}, map[string][]byte{"inside": inside, "inside lf": append(insideLF, '\n'), "cut": cut})
}

func TestMbox(t *testing.T) {
	a := strings.ReplaceAll(string(mixed(attachment("application/gzip", gz(report("A"))))), "\r\n", "\n")
	b := strings.ReplaceAll(string(mixed(attachment("application/gzip", gz(report("B"))))), "\r\n", "\n")
	from := "From dmarc@reporter.example Tue Dec  1 04:00:00 2026\n"
	text := mailHeader + "\r\nHello.\n\nFrom here on it is text.\n>From quoted: yes\n\n"
	quotedXML := mailHeader + "Content-Type: text/xml\r\n\r\n" + strings.Replace(string(report("A")), "Unpack Tests", "\n>From Unpack\n>>From Tests", 1)
	unquotedXML := strings.Replace(string(report("A")), "Unpack Tests", "\nFrom Unpack\n>From Tests", 1)
	runQuirks(t, []quirk{
		{"two", []byte(from + a + "\n" + from + b + "\n"), "aggregate A\naggregate B"},
		{"crlf", []byte(strings.ReplaceAll(from+a+"\n"+from+b+"\n", "\n", "\r\n")), "aggregate A\naggregate B"},
		{"mbox-no-empty-line", []byte(from + a + from + b), "aggregate A\naggregate B"},
		{"mails without reports between", []byte(from + text + from + a + "\n" + from + text + from + b), "aggregate A\naggregate B"},
		{"quoted lines", []byte(from + strings.ReplaceAll(quotedXML, "\r\n", "\n")), "aggregate A from"},
		{"same again", []byte(strings.Repeat(from+a+"\n", 3)), "aggregate A\naggregate A\naggregate A"},
		{"in gzip", gz([]byte(from + a + "\n" + from + b + "\n")), "aggregate A\naggregate B"},
		{"in gzip, cut", func() []byte { z := gz([]byte(from + a + "\n" + from + b + "\n")); return z[:len(z)-9] }(), "aggregate A\naggregate B\nrefused truncated"},
		{"nothing inside", []byte(from + text + from + text), "error not_a_report"},
	}, map[string][]byte{"A from": []byte(unquotedXML)})
}

func TestMailContext(t *testing.T) {
	inner := mixed(attachment("application/gzip; name=\"a!b!1!2.xml.gz\"", gz(report("A"))))
	outerHeader := "From: =?utf-8?q?G=C3=A9rard?= <fwd@gateway.example>\r\nSubject: Fwd:\r\n report\r\nDate: Wed, 02 Dec 2026 05:06:07 +0100\r\n" +
		"Message-Id: <2@gateway.example>\r\nReceived: one\r\nReceived: two\r\nMIME-Version: 1.0\r\n"
	outer := outerHeader + multipart("multipart/mixed", "outer", attachment("message/rfc822; name=x.eml", inner))
	visits := 0
	err := unpack.Walk(strings.NewReader(outer), unpack.Limits{}, func(d *unpack.Document) error {
		visits++
		if want := "x.eml/a!b!1!2.xml.gz"; d.Name != want {
			t.Errorf("name %q, want %q", d.Name, want)
		}
		m := d.Mail
		if diff := cmp.Diff([]string{"dmarc@reporter.example"}, m.From()); diff != "" {
			t.Errorf("inner From (-want +got)\n%s", diff)
		}
		if string(m.Raw) != string(inner) || m.MessageID() != "1@reporter.example" {
			t.Errorf("inner mail: %q, id %q", m.Raw, m.MessageID())
		}
		o := m.Outer
		if o == nil || o.Outer != nil {
			t.Fatalf("outer mail: %v", o)
		}
		if string(o.Raw) != outer || !strings.HasPrefix(string(o.Raw), string(o.Header)) || !strings.HasSuffix(string(o.Header), "boundary=\"outer\"\r\n") {
			t.Errorf("raw %q\nheader %q", o.Raw, o.Header)
		}
		if diff := cmp.Diff([]string{"fwd@gateway.example"}, o.From()); diff != "" {
			t.Errorf("outer From (-want +got)\n%s", diff)
		}
		if got, want := o.Date(), time.Date(2026, 12, 2, 4, 6, 7, 0, time.UTC); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("date %v, want %v", got, want)
		}
		if o.MessageID() != "2@gateway.example" || o.Field("subject") != "Fwd: report" || o.Field("X-None") != "" {
			t.Errorf("id %q, subject %q", o.MessageID(), o.Field("subject"))
		}
		if diff := cmp.Diff([]string{"one", "two"}, o.Fields("RECEIVED")); diff != "" {
			t.Errorf("Received (-want +got)\n%s", diff)
		}
		return nil
	})
	if err != nil || visits != 1 {
		t.Fatalf("%d visits, error %v", visits, err)
	}
}

func TestMailFieldsThatAreBroken(t *testing.T) {
	m := unpack.Mail{Header: []byte("From: a@x.example, B <b@x.example>\nFrom: \"Broken <c@x.example>\nDate: today\nno field\n: none\n")}
	if diff := cmp.Diff([]string{"a@x.example", "b@x.example", "c@x.example"}, m.From()); diff != "" {
		t.Errorf("From (-want +got)\n%s", diff)
	}
	if !m.Date().IsZero() || m.MessageID() != "" {
		t.Errorf("date %v, id %q", m.Date(), m.MessageID())
	}
}
