package wording

import (
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// TestComplete wants words for everything that has a name in a closed set.
func TestComplete(t *testing.T) {
	for _, reason := range dmarc.Reasons() {
		if Refusal(reason) == "" {
			t.Errorf("no words for %s", reason)
		}
	}
	for _, codes := range [][]dmarc.Code{dmarc.Codes(), tlsrpt.Codes(), failure.Codes(), unpack.Codes()} {
		for _, code := range codes {
			if Warning(code) == "" {
				t.Errorf("no words for %s", code)
			}
		}
	}
	for _, class := range tally.Classes() {
		if Class(class) == "" {
			t.Errorf("no words for %s", class)
		}
	}
	if Refusal("none such") != "" {
		t.Error("words for what is no reason")
	}
	for _, result := range []tlsrpt.ResultType{
		tlsrpt.ResultTypeSTARTTLSNotSupported, tlsrpt.ResultTypeCertificateHostMismatch, tlsrpt.ResultTypeCertificateExpired, tlsrpt.ResultTypeCertificateNotTrusted,
		tlsrpt.ResultTypeValidationFailure, tlsrpt.ResultTypeTLSAInvalid, tlsrpt.ResultTypeDNSSECInvalid, tlsrpt.ResultTypeDANERequired, tlsrpt.ResultTypeSTSPolicyFetchError,
		tlsrpt.ResultTypeSTSPolicyInvalid, tlsrpt.ResultTypeSTSWebPKIInvalid, tlsrpt.ResultTypeOther,
	} {
		if TLSResult(result) == "" {
			t.Errorf("no words for %s", result)
		}
	}
}

func TestFormats(t *testing.T) {
	begin := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	midnight, later := begin.AddDate(0, 0, 1), begin.AddDate(0, 0, 7)
	for got, want := range map[string]string{
		Percent(1, 1): "100.0%", Percent(99_999, 100_000): "99.9%", Percent(1, 3): "33.3%",
		Grouped(0): "0", Grouped(1234567): "1,234,567", Grouped(-1000): "-1,000", Plural(1, "day"): "1 day", Plural(2000, "day"): "2,000 days",
		Period(&begin, &midnight): "2026-11-21", Period(&begin, &later): "2026-11-21…2026-11-27", Period(nil, &later): "-", Day(begin): "2026-11-21", Day(time.Time{}): "",
		Cell("=1+1"): "'=1+1", Cell("＠x"): "'＠x", Cell("a\r\nb"): "a\uFFFD\uFFFDb", Cell("plain"): "plain",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestFixStrict advises a sender that signs as the domain, for names below it.
func TestFixStrict(t *testing.T) {
	for signed, want := range map[string]string{"a.example": "adkim=r", "mailer.example": "have it sign as a.example"} {
		got := Fix("a.example", &store.ReadinessSender{Problem: store.ProblemDKIM, Domain: signed, PassMessages: 1})
		if !strings.Contains(got, want) {
			t.Errorf("signed as %s: %q, want %q", signed, got, want)
		}
	}
}
