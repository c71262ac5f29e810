package nginx

import (
	"errors"
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
	// For an answer that is not HTTP, net/http has no type but only a text.
	if errors.Is(err, errNotStubStatus) || strings.Contains(err.Error(), "malformed HTTP") {
		return collect.Protocol
	}
	return collect.ReasonOf(err)
}
