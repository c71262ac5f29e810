package postgres

import (
	"fmt"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// sample is one series of a scrape. It is not changed once it was sent; its
// labels are shared with the other samples of its row.
type sample struct {
	collect.Sample
	// shared is set if another query may have the same metric, so that
	// duplicates must be looked for across queries.
	shared bool
}

// key identifies a series.
func (s *sample) key() string {
	var b strings.Builder
	b.WriteString(s.Family.Name)
	for _, l := range s.Labels {
		b.WriteString("\xff" + l.GetName() + "\xff" + l.GetValue())
	}
	return b.String()
}

// String returns the series as name{labels} value, or what a histogram counts.
func (s *sample) String() string {
	var labels []string
	for _, l := range s.Labels {
		labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	name := s.Family.Name
	if len(labels) > 0 {
		name += "{" + strings.Join(labels, ",") + "}"
	}
	if h := s.Histogram; h != nil {
		return fmt.Sprintf("%s histogram of %d, sum %g", name, h.GetSampleCount(), h.GetSampleSum())
	}
	return fmt.Sprintf("%s %g", name, s.Value)
}
