package web

import (
	"context"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// arrived is what came in during the last hours.
func (p *Pages) arrived(ctx context.Context, v *store.View, q *query) (*part, error) {
	const day, quarter, hour = 24 * time.Hour, 6 * time.Hour, time.Hour
	all, err := store.AskArrived(ctx, v, q.now.Add(-day), q.now.Add(-quarter), q.now.Add(-hour))
	if err != nil {
		return nil, err
	}
	t := &table{
		Name: "arrived", Caption: "Reports that were kept and inputs that were refused in the last 24 hours", Empty: "Nothing arrived in the last 24 hours. Reporters send once a day.",
		Columns: []column{text("kind", "What"), number("count_1h", "1 hour"), number("count_6h", "6 hours"), number("count_24h", "24 hours"), number("messages_24h", "Messages"), when("last", "Last")},
	}
	for i := range all {
		a := &all[i]
		what, messages := linked(arrivals[a.Kind].text, arrivals[a.Kind].to), count(a.Messages)
		if a.Kind == "" {
			messages = cell{Text: "-", Value: ""}
		}
		t.Rows = append(t.Rows, []cell{what, count(a.Count[2]), count(a.Count[1]), count(a.Count[0]), messages, moment(a.Last)})
	}
	return &part{ID: "arrived", Heading: "What arrived", Table: q.programs(t)}, nil
}

// arrivals are what kinds of inputs are called, and where all of them are.
var arrivals = map[unpack.Kind]struct{ text, to string }{
	unpack.KindAggregate: {"DMARC reports", "reports?kind=aggregate"},
	unpack.KindTLS:       {"TLS reports", "reports?kind=tls"},
	unpack.KindFailure:   {"Failure reports", "failures"},
	"":                   {"Refused inputs", "refused"},
}
