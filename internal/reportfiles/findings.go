package reportfiles

import (
	"fmt"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// findings prints findings for people.
type findings struct{ table *table }

func newFindings(w io.Writer, width int) *findings {
	return &findings{newTable(w, width,
		column{name: "FILE", path: true, least: 12, most: 48},
		column{name: "KIND", wide: true},
		column{name: "REPORTER", least: 12, most: 28},
		column{name: "DOMAIN", least: 12, most: 28},
		column{name: "PERIOD", least: 10, most: 21},
		column{name: "RECORDS", right: true, wide: true},
		column{name: "MESSAGES", right: true},
		column{name: "PASS", right: true},
		column{name: "WARNINGS", least: 8, most: 64},
	)}
}

// add adds a finding.
func (t *findings) add(f finding) error {
	if t.table.widths == nil && len(t.table.rows) == 0 {
		if err := t.table.header(); err != nil {
			return err
		}
	}
	if f.refused != nil {
		return t.table.addText("REFUSED  "+clean(f.refused.Error.Message), f.refused.Path)
	}
	r := f.report
	share := wording.Percent(r.PassMessages, r.Messages)
	if r.Kind == unpack.KindFailure {
		share = "-"
	}
	err := t.table.add(r.Path, string(r.Kind), r.Org, r.Domain, wording.Period(r.Begin, r.End), wording.Grouped(r.Records), wording.Grouped(r.Messages), share, codes(r.Warnings))
	for _, d := range r.Deviations {
		if err == nil {
			err = t.table.addText(fmt.Sprintf("%s: %s (%s)", clean(d.Path), clean(d.Message), d.Section), "")
		}
	}
	return err
}
