package nginx

import (
	"errors"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// reasonStatus is the reason of nginx's own: an answer with a status other than
// 200, 401 and 403, which are a matter of credentials.
const reasonStatus collect.Reason = "status"

// reasons are the values of the label reason of
// nginx_exporter_scrape_errors_total, a closed set.
var reasons = []collect.Reason{
	collect.Auth, collect.Canceled, collect.DNS, collect.Other, collect.Panic, collect.Protocol, collect.Refused, collect.Reset,
	reasonStatus, collect.Timeout, collect.TLS, collect.Unreachable,
}

// reasonOf maps an error of a scrape to one of reasons.
func reasonOf(err error) collect.Reason {
	if errors.Is(err, errNotStubStatus) {
		return collect.Protocol
	}
	reason := collect.ReasonOf(err)
	if reason == collect.Other && slices.ContainsFunc(protocolErrors, func(text string) bool { return strings.Contains(err.Error(), text) }) {
		return collect.Protocol
	}
	return reason
}

// protocolErrors are in the texts of errors about an answer that is not HTTP as it
// should be, for which net/http has no types.
var protocolErrors = []string{"malformed", "connection broken", "chunk", "Location header", "redirects", "response headers exceeded"}
