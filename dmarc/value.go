package dmarc

import (
	"net/netip"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// parseCount reads a trimmed count. The code is empty for plain digits.
func parseCount(b []byte) (int64, Code) {
	n, form := text.Count(b)
	switch form {
	case text.CountRepaired:
		// QUIRK(count-odd): "5.0", "+5" and "1e3" are whole numbers; "many" is none.
		return n, CodeCountRepaired
	case text.CountInvalid:
		return 0, CodeCountInvalid
	case text.CountRange:
		// QUIRK(count-range): a counter must never go backwards or overflow.
		return 0, CodeCountRange
	}
	return n, ""
}

// parseSource reads a trimmed source address. The code is empty when s is an
// address in a form of RFC 5952 or RFC 4291.
func parseSource(s string) (netip.Addr, Code) {
	// QUIRK(source-ip-odd): a zone, a port, leading zeros, and address literals as in
	// mail headers, [192.0.2.1] and [IPv6:2001:db8::1].
	a, repaired := text.Addr(s)
	switch {
	case !a.IsValid():
		return a, CodeSourceInvalid
	case repaired:
		return a, CodeSourceRepaired
	}
	return a, ""
}

// parseDate reads a trimmed date of date_range: seconds since 1970 (RFC 9990),
// and what else reporters write. It is the zero time when it cannot be read.
func parseDate(b []byte) (time.Time, Code) {
	if n, ok := text.Digits(b); ok {
		t, form := text.DateOf(n)
		return t, dateCode(form)
	}
	t, form := text.Date(string(b))
	return t, dateCode(form)
}

func dateCode(form text.DateForm) Code {
	switch form {
	case text.DateMilliseconds: // QUIRK(date-ms)
		return CodeDateMilliseconds
	case text.DateFraction: // QUIRK(date-frac)
		return CodeDateFraction
	case text.DateMail, text.DateOther: // QUIRK(date-iso): ISO 8601 and its neighbours.
		return CodeDateText
	}
	return ""
}

// domainCode returns the warning for the form of a domain.
func domainCode(form text.HostForm) Code {
	switch form {
	case text.HostFolded:
		return CodeDomainNormalized
	case text.HostInvalid:
		return CodeDomainInvalid
	}
	return ""
}

// The words below are returned as constants, never as the argument, so that
// callers may convert bytes without an allocation.

func parseDisposition(s string) Disposition {
	switch Disposition(s) {
	case DispositionNone:
		return DispositionNone
	case DispositionPass:
		return DispositionPass
	case DispositionQuarantine:
		return DispositionQuarantine
	case DispositionReject:
		return DispositionReject
	}
	return DispositionAbsent
}

func parseEvaluation(s string) Evaluation {
	switch Evaluation(s) {
	case EvaluationPass:
		return EvaluationPass
	case EvaluationFail:
		return EvaluationFail
	}
	return EvaluationAbsent
}

func parseAuthResult(s string) AuthResult {
	switch AuthResult(s) {
	case AuthResultAbsent:
		return AuthResultAbsent
	case AuthResultNone:
		return AuthResultNone
	case AuthResultPass:
		return AuthResultPass
	case AuthResultFail:
		return AuthResultFail
	case AuthResultSoftFail:
		return AuthResultSoftFail
	case AuthResultNeutral:
		return AuthResultNeutral
	case AuthResultPolicy:
		return AuthResultPolicy
	case AuthResultTempError:
		return AuthResultTempError
	case AuthResultPermError:
		return AuthResultPermError
	}
	return AuthResultOther
}
