package dmarc

import (
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// ReportURI is a destination of reports: an element of rua or ruf.
type ReportURI struct {
	// URI is as published, without the size limit.
	URI string
	// Scheme is lower case: "mailto" is the one that receivers must support.
	Scheme string
	// Address is the decoded mail address of a mailto URI, otherwise empty.
	Address string
	// Host is where reports go: the domain of Address, or the host of the URI.
	// It is lower case without a trailing dot.
	Host string
	// MaxBytes is the size limit behind the exclamation mark (RFC 7489, section
	// 6.2); 0 means none. RFC 9990 has no such limit any more.
	MaxBytes int64
}

var errNoDestination = errors.New("the URI has no destination")

// parseReportURI reads a URI with an optional limit such as "!10m".
func parseReportURI(element string) (ReportURI, error) {
	u := ReportURI{URI: element}
	if uri, limit, ok := strings.Cut(element, "!"); ok {
		n, ok := parseSize(limit)
		if !ok {
			return ReportURI{}, errNoDestination
		}
		u.URI, u.MaxBytes = strings.TrimSpace(uri), n
	}
	scheme, rest, ok := strings.Cut(u.URI, ":")
	if u.Scheme = strings.ToLower(scheme); !ok || !isScheme(u.Scheme) {
		return ReportURI{}, errNoDestination
	}
	host := ""
	if u.Scheme == "mailto" {
		address, _, _ := strings.Cut(rest, "?")
		decoded, err := url.PathUnescape(address)
		if err != nil {
			return ReportURI{}, errNoDestination
		}
		u.Address = decoded
		at := strings.LastIndexByte(decoded, '@')
		if at <= 0 {
			return ReportURI{}, errNoDestination
		}
		host = decoded[at+1:]
	} else if parsed, err := url.Parse(u.URI); err == nil {
		host = parsed.Hostname()
	}
	var form text.HostForm
	if u.Host, form = text.Host(host); form == text.HostInvalid {
		return ReportURI{}, errNoDestination
	}
	return u, nil
}

// parseSize reads a size such as 50m: bytes, or units of 1024 and its powers.
func parseSize(s string) (int64, bool) {
	number := strings.TrimRight(s, "kmgtKMGT")
	shift := 0
	switch strings.ToLower(s[len(number):]) {
	case "":
	case "k":
		shift = 10
	case "m":
		shift = 20
	case "g":
		shift = 30
	case "t":
		shift = 40
	default:
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
	if err != nil || n == 0 || n > math.MaxInt64>>shift {
		return 0, false
	}
	return int64(n) << shift, true
}

func isScheme(s string) bool {
	for i := range len(s) {
		letter := s[i] >= 'a' && s[i] <= 'z'
		if !letter && (i == 0 || strings.IndexByte("0123456789+-.", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

// joinURIs writes a list of destinations with their limits.
func joinURIs(list []ReportURI) string {
	texts := make([]string, len(list))
	for i, u := range list {
		texts[i] = u.URI
		if u.MaxBytes > 0 {
			texts[i] += "!" + strconv.FormatInt(u.MaxBytes, 10)
		}
	}
	return strings.Join(texts, ",")
}
