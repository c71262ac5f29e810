package reportfiles

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// readinessJSON is a readiness as JSON.
type readinessJSON struct {
	Domain     string        `json:"domain"`
	Since      string        `json:"since,omitempty"`
	Until      string        `json:"until,omitempty"`
	Quarantine store.Verdict `json:"quarantine"`
	Reject     store.Verdict `json:"reject"`
	Reasons    []string      `json:"reasons"`
	coveredJSON
	Days      int                        `json:"days"`
	Published reportjson.PublishedPolicy `json:"policy_published"`
	Parked    bool                       `json:"parked"`
	Wanted    int64                      `json:"wanted_messages"`
	Hit       int64                      `json:"hit_messages"`
	Forwarded int64                      `json:"forwarded_messages"`
	Unwanted  int64                      `json:"unwanted_messages"`
	Senders   []readinessSenderJSON      `json:"senders"`
}

type readinessSenderJSON struct {
	Name         string           `json:"name"`
	Kind         store.SenderKind `json:"kind"`
	Problem      store.Problem    `json:"problem"`
	Fix          string           `json:"fix"`
	Messages     int64            `json:"messages"`
	PassMessages int64            `json:"pass_messages"`
	Days         int              `json:"days"`
	Reporters    int64            `json:"reporters"`
	First        string           `json:"first"`
	Last         string           `json:"last"`
	Burst        bool             `json:"burst"`
	Noise        bool             `json:"noise"`
	Domain       string           `json:"authenticated_for,omitempty"`
	Selector     string           `json:"selector,omitempty"`
	Sources      []string         `json:"sources"`
	SourceCount  int              `json:"source_count"`
}

// Readiness prints whether a domain can go to a stricter policy.
func Readiness(ctx context.Context, w io.Writer, v *store.View, domain string, until time.Time, format string, width int) error {
	r, err := store.AskReadiness(ctx, v, domain, until)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	if format == FormatJSON {
		err = writeJSON(out, newReadinessJSON(r))
	} else {
		err = printReadiness(out, width, r)
	}
	return written(err, out.Flush())
}

func newReadinessJSON(r *store.Readiness) *readinessJSON {
	out := &readinessJSON{
		Domain: r.Domain, Since: dayText(r.Since), Until: dayText(r.Until), Quarantine: r.Quarantine, Reject: r.Reject, Reasons: wording.Reasons(r),
		coveredJSON: newCoveredJSON(&r.Covered), Days: r.Days, Published: r.Published, Parked: r.Parked,
		Wanted: r.Wanted, Hit: r.Hit, Forwarded: r.Forwarded, Unwanted: r.Unwanted, Senders: []readinessSenderJSON{},
	}
	for i := range r.Senders {
		s := &r.Senders[i]
		out.Senders = append(out.Senders, readinessSenderJSON{
			s.Name, s.Kind, s.Problem, wording.Fix(r.Domain, s), s.Messages, s.PassMessages, s.Days, s.Reporters, dayText(s.First), dayText(s.Last),
			s.Burst, s.Noise, s.Domain, s.Selector, s.Sources, s.SourceCount,
		})
	}
	return out
}

// printReadiness prints a readiness for people.
func printReadiness(w io.Writer, width int, r *store.Readiness) error {
	fmt.Fprintln(w, headline(r.Domain, &r.Covered))
	if r.Reports > 0 {
		fmt.Fprintf(w, "Published: %s (seen on %s)\n", cmp.Or(clean(wording.Policy(&r.Published)), "nothing"), dayText(r.On))
	}
	fmt.Fprintf(w, "\np=quarantine: %s\np=reject:     %s\n\n", r.Quarantine, r.Reject)
	for _, reason := range wording.Reasons(r) {
		if err := printItem(w, width, "- ", reason); err != nil {
			return err
		}
	}
	const mostShown, mostSpoofing = 25, 5
	shown, spoofing := slices.Clone(r.Senders), 0
	// They are many, and the last ones.
	for spoofing < len(shown) && shown[len(shown)-1-spoofing].Kind == store.KindSpoofing {
		spoofing++
	}
	shown = shown[:len(shown)-max(0, spoofing-mostSpoofing)]
	var rows []tableRow
	for i := range shown[:min(len(shown), mostShown)] {
		s := &shown[i]
		name := s.Name
		if s.Noise {
			name += " (few)"
		}
		rows = append(rows, tableRow{cells: []string{name, string(s.Kind), wording.Problem(s.Problem), wording.Grouped(s.Messages), fmt.Sprint(s.Days), wording.Grouped(s.Reporters), dayText(s.Last)}})
	}
	err := printTable(w, width, rows, column{name: "SENDER", least: 15, most: 40}, column{name: "LOOKS LIKE"}, column{name: "PROBLEM", least: 12, most: 24},
		column{name: "MESSAGES", right: true}, column{name: "DAYS", right: true}, column{name: "REPORTERS", right: true}, column{name: "LAST", wide: true})
	if more := len(r.Senders) - min(len(shown), mostShown); err == nil && more > 0 {
		_, err = fmt.Fprintf(w, "and %s more\n", wording.Grouped(int64(more)))
	}
	fixes := slices.DeleteFunc(slices.Clone(shown), func(s store.ReadinessSender) bool { return s.Kind == store.KindSpoofing || s.Noise })
	if err != nil || len(fixes) == 0 {
		return err
	}
	_, err = fmt.Fprintf(w, "\nWhat to do:\n")
	for i := range fixes[:min(len(fixes), mostShown)] {
		s := &fixes[i]
		from := ""
		if len(s.Sources) > 0 && s.Sources[0] != s.Name {
			from = " (" + strings.Join(s.Sources, ", ")
			if more := s.SourceCount - len(s.Sources); more > 0 {
				from += fmt.Sprintf(" and %s more", wording.Grouped(int64(more)))
			}
			from += ")"
		}
		err = errors.Join(err, printItem(w, width, "- ", s.Name+from+" "+wording.Fix(r.Domain, s)))
	}
	return err
}

// printItem prints a text behind a mark, in lines of the width.
func printItem(w io.Writer, width int, mark, text string) error {
	for i, line := range wrapped(text, width-len(mark)) {
		if i > 0 {
			mark = strings.Repeat(" ", len(mark))
		}
		if _, err := fmt.Fprintln(w, mark+line); err != nil {
			return err
		}
	}
	return nil
}
