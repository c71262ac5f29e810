package reportfiles

import (
	"cmp"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// newLineTable returns a table for lines, the names of its columns included.
func newLineTable(w io.Writer, width int) (*table, error) {
	t := newTable(
		w, width,
		column{name: "PERIOD", least: 5},
		column{name: "DOMAIN", least: 12, most: 40},
		column{name: "REPORTER", least: 8, most: 24, wide: true},
		column{name: "SOURCE", least: 15, most: 39},
		column{name: "MESSAGES", right: true, least: 8},
		column{name: "DISPOSITION"},
		column{name: "DKIM"},
		column{name: "SPF"},
		column{name: "FROM", least: 12, most: 40, wide: true},
	)
	return t, t.header()
}

// rowOf makes a row of a line. Reports that are not about records of messages are
// told in words.
func rowOf(l reportjson.Line) tableRow {
	h := l.Head()
	head := []string{wording.Period(&h.Begin, &h.End), cmp.Or(h.Domain, "-"), cmp.Or(h.Org, "-")}
	if h.Begin.IsZero() || h.End.IsZero() {
		head[0] = "-"
	}
	switch l := l.(type) {
	case *reportjson.Policy:
		return tableRow{head, "TLS, policy " + cmp.Or(string(l.PolicyType), "unknown") + ": " + plural(int(l.Successful), "session") + " successful, " + wording.Grouped(l.Failed) + " failed"}
	case *reportjson.Failure:
		return tableRow{head, "failure of " + cmp.Or(string(l.AuthFailure), "unknown") + " of " + plural(int(l.Incidents), "message") + " from " + cmp.Or(l.SourceIP, "an unknown address")}
	case *reportjson.Record:
		return tableRow{cells: append(head, l.SourceIP, wording.Grouped(l.Count), string(l.Disposition), string(l.DKIM), string(l.SPF), l.HeaderFrom)}
	}
	panic("reportfiles: a line of an unknown kind")
}
