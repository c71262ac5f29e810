package dmarc

import (
	"bytes"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// maxCount bounds one record's count. No reporter sees a trillion messages
// from one address in a day, and a bound lets sums of counts never overflow.
const maxCount = 1_000_000_000_000

// parseCount reads a trimmed count. The code is empty for plain digits.
func parseCount(b []byte) (int64, Code) {
	if n, ok := digits(b); ok {
		if n > maxCount {
			return 0, CodeCountRange
		}
		return n, ""
	}
	// QUIRK(count-odd): "5.0", "+5" and "1e3" are whole numbers; "many" is none.
	f, err := strconv.ParseFloat(string(b), 64)
	if math.IsNaN(f) || err != nil && !math.IsInf(f, 0) || bytes.ContainsAny(b, "xX_nN") {
		return 0, CodeCountInvalid
	}
	// QUIRK(count-range): a counter must never go backwards or overflow.
	if f < 0 || f > maxCount {
		return 0, CodeCountRange
	}
	if f != math.Trunc(f) {
		return 0, CodeCountInvalid
	}
	return int64(f), CodeCountRepaired
}

// digits reads a number of 1 to 18 decimal digits and saturates above.
func digits(b []byte) (n int64, ok bool) {
	if len(b) == 0 {
		return 0, false
	}
	for i, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if i >= 18 && n >= math.MaxInt64/100 {
			n = math.MaxInt64 / 10
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// parseSource reads a trimmed source address. The code is empty when b is an
// address in a form of RFC 5952 or RFC 4291.
func parseSource(b []byte) (netip.Addr, Code) {
	if a, ok := parseIPv4(b); ok {
		return a, ""
	}
	if len(b) > 64 {
		return netip.Addr{}, CodeSourceInvalid
	}
	return parseSourceText(string(b))
}

// parseSourceText is parseSource for what is no dotted quad.
func parseSourceText(s string) (netip.Addr, Code) {
	a, err := netip.ParseAddr(s)
	if err == nil && a.Zone() == "" && !a.Is4In6() {
		return a, ""
	}
	if err != nil {
		a, err = repairSource(s)
	}
	if err != nil {
		return netip.Addr{}, CodeSourceInvalid
	}
	// QUIRK(source-ip-odd): fe80::1%eth0 and ::ffff:192.0.2.1 name the address without the ornament.
	return a.WithZone("").Unmap(), CodeSourceRepaired
}

// repairSource reads an address in brackets, with a port or with leading zeros.
func repairSource(s string) (netip.Addr, error) {
	// QUIRK(source-ip-odd): address literals as in mail headers, [192.0.2.1] and [IPv6:2001:db8::1].
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			s = strings.TrimSpace(inner)
		}
	}
	if len(s) > 5 && strings.EqualFold(s[:5], "IPv6:") {
		s = s[5:]
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a, nil
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr(), nil
	}
	// QUIRK(source-ip-odd): leading zeros, 192.000.002.001, read as decimal.
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return netip.ParseAddr(s)
	}
	for i, p := range parts {
		for len(p) > 1 && p[0] == '0' {
			p = p[1:]
		}
		parts[i] = p
	}
	return netip.ParseAddr(strings.Join(parts, "."))
}

// parseIPv4 reads a dotted quad without leading zeros.
func parseIPv4(b []byte) (netip.Addr, bool) {
	if len(b) < 7 || len(b) > 15 {
		return netip.Addr{}, false
	}
	var a [4]byte
	part, value, width := 0, 0, 0
	for _, c := range b {
		if c == '.' {
			if width == 0 || part == 3 {
				return netip.Addr{}, false
			}
			a[part] = byte(value)
			part, value, width = part+1, 0, 0
			continue
		}
		if c < '0' || c > '9' || width > 0 && value == 0 {
			return netip.Addr{}, false
		}
		value, width = value*10+int(c-'0'), width+1
		if value > 255 {
			return netip.Addr{}, false
		}
	}
	if part != 3 || width == 0 {
		return netip.Addr{}, false
	}
	a[3] = byte(value)
	return netip.AddrFrom4(a), true
}

// dateLayouts are the spellings of dates that are not numbers, as seen in
// reports. A date without a zone is UTC.
var dateLayouts = [...]string{
	time.RFC3339,
	"2006-01-02T15:04:05",
	"2006-01-02T15:04:05-0700",
	"2006-01-02 15:04:05",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05 MST",
	"2006-01-02 15:04",
	"2006-01-02T15:04Z07:00",
	"2006-01-02",
	time.RFC1123Z,
	time.RFC1123,
	"2 Jan 2006 15:04:05 -0700",
	time.UnixDate,
	time.ANSIC,
}

// parseDate reads a trimmed date of date_range: seconds since 1970 (RFC 9990),
// and what else reporters write. Dates are whole seconds after 1970 and before
// the year 10000.
func parseDate(b []byte) (t time.Time, code Code, ok bool) {
	if n, ok := digits(b); ok {
		if n >= 1e17 {
			return time.Time{}, "", false
		}
		// QUIRK(date-ms): milliseconds, and microseconds for the same price.
		for n > 1e11 {
			n, code = n/1000, CodeDateMilliseconds
		}
		return unixDate(n, code)
	}
	if len(b) == 0 || len(b) > 64 {
		return time.Time{}, "", false
	}
	s := string(b)
	// QUIRK(date-frac): 1700006400.0 and 1700092799.123.
	if whole, frac, found := strings.Cut(s, "."); found {
		if _, ok := digits([]byte(frac)); ok || frac == "" {
			if n, ok := digits([]byte(whole)); ok && n <= 1e11 {
				return unixDate(n, CodeDateFraction)
			}
		}
	}
	// QUIRK(date-iso): ISO 8601 and its neighbours.
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return unixDate(t.Unix(), CodeDateText)
		}
	}
	return time.Time{}, "", false
}

func unixDate(n int64, code Code) (time.Time, Code, bool) {
	const year10000 = 253402300800
	if n <= 0 || n >= year10000 {
		return time.Time{}, "", false
	}
	return time.Unix(n, 0).UTC(), code, true
}

// appendLower appends b, which is UTF-8, in lower case.
func appendLower(dst, b []byte) []byte {
	for i, c := range b {
		if c >= 0x80 {
			return append(dst, bytes.ToLower(b[i:])...)
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// normalizeDomain folds a trimmed domain to lower case without a trailing dot.
func normalizeDomain(b []byte) (string, Code) {
	state := domainState(b)
	if state == "" {
		return string(b), ""
	}
	return string(foldDomain(nil, b)), state
}

// foldDomain appends the domain b in lower case without a trailing dot.
func foldDomain(dst, b []byte) []byte {
	dst = appendLower(dst, b)
	if len(b) > 1 {
		dst = bytes.TrimSuffix(dst, []byte("."))
	}
	return dst
}

// domainState says what is wrong with a domain: nothing, its spelling, or
// that it is no host name at all. Internationalised names and underscores pass.
func domainState(b []byte) Code {
	var code Code
	label := 0
	for i, c := range b {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c >= 0x80:
			label++
		case c >= 'A' && c <= 'Z':
			label++
			code = CodeDomainNormalized
		case c == '.':
			if label == 0 {
				return CodeDomainInvalid
			}
			label = 0
			if i == len(b)-1 {
				code = CodeDomainNormalized
			}
		default:
			return CodeDomainInvalid
		}
		if label > 63 && c < 0x80 {
			return CodeDomainInvalid
		}
	}
	if len(b) > 255 {
		return CodeDomainInvalid
	}
	return code
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
