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

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
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
		Domain: r.Domain, Since: dayText(r.Since), Until: dayText(r.Until), Quarantine: r.Quarantine, Reject: r.Reject, Reasons: readinessReasons(r),
		coveredJSON: newCoveredJSON(&r.Covered), Days: r.Days, Published: r.Published, Parked: r.Parked,
		Wanted: r.Wanted, Hit: r.Hit, Forwarded: r.Forwarded, Unwanted: r.Unwanted, Senders: []readinessSenderJSON{},
	}
	for i := range r.Senders {
		s := &r.Senders[i]
		out.Senders = append(out.Senders, readinessSenderJSON{
			s.Name, s.Kind, s.Problem, readinessFix(r.Domain, s), s.Messages, s.PassMessages, s.Days, s.Reporters, dayText(s.First), dayText(s.Last),
			s.Burst, s.Noise, s.Domain, s.Selector, s.Sources, s.SourceCount,
		})
	}
	return out
}

// readinessReasons are the reasons of a verdict, the most important first.
func readinessReasons(r *store.Readiness) (reasons []string) {
	add := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	if r.Reports == 0 {
		add("There are no reports about %s. Publish a record with rua= that leads to a mailbox that is read here, and wait for two weeks.", r.Domain)
		return reasons
	}
	own, forwarders, spoofers, bursts := map[string]bool{}, map[string]bool{}, 0, 0
	for i := range r.Senders {
		switch s := &r.Senders[i]; {
		case s.Problem == store.ProblemSPFOnly || s.Noise && s.Kind != store.KindSpoofing:
		case s.Kind == store.KindOwn:
			own[s.Name] = true
		case s.Kind == store.KindForwarder:
			forwarders[s.Name] = true
		default:
			spoofers++
			if s.Burst {
				bursts++
			}
		}
	}
	const fewestDays, fewestReporters = 14, 3
	if r.Days < fewestDays && !r.Parked {
		add("Reports are about %s of the last 30: wait until there are 14, since what sends once a week or a month may not have been seen.", plural(r.Days, "day"))
	}
	if r.Reporters < fewestReporters && !r.Parked {
		add("Only %s, where three are needed: what the others receive is not known.", plural(int(r.Reporters), "reporter"))
	}
	switch {
	case r.Parked:
		add("Nothing passed in 30 days and nobody plausible sends: the domain looks parked. Publish p=reject and, for SPF, v=spf1 -all.")
	case len(own) > 0:
		add("%s of %s that are wanted would be hit (%s), sent by %s that plausibly belong%s to you.", grouped(r.Hit), plural(int(r.Wanted), "message"), percent(r.Hit, r.Wanted),
			plural(len(own), "sender"), map[bool]string{true: "s"}[len(own) == 1])
	default:
		add("Nothing that plausibly belongs to you would be hit.")
	}
	if r.Forwarded > 0 {
		add("%s (%s) were changed by forwarders or mailing lists (%d): receivers mostly make an exception, but p=reject lets them refuse.", plural(int(r.Forwarded), "message"), percent(r.Forwarded, r.Wanted), len(forwarders))
	}
	if r.Unwanted > 0 {
		text := fmt.Sprintf("%s from %s look like spoofing", plural(int(r.Unwanted), "message"), plural(spoofers, "sender"))
		if bursts > 0 {
			text += fmt.Sprintf(", %d of them in a burst", bursts)
		}
		add("%s: not authenticated, and not seen again and again. This is what the policy is for.", text)
	}
	p := &r.Published
	if p.Pct != nil && *p.Pct < 100 {
		add("The record has pct=%d. Receivers of RFC 9989 do not know it: take it off, and use t=y for a test.", *p.Pct)
	}
	if strings.EqualFold(p.Testing, "y") {
		add("The record has t=y: receivers treat p=%s as the next milder policy. Take it off when you are done.", p.P)
	}
	if p.SP != "" && p.SP != p.P && p.P == dmarc.DispositionReject {
		add("The record has sp=%s: names below the domain are not protected by p=reject.", p.SP)
	}
	return reasons
}

// readinessFix says what to do about a sender.
func readinessFix(domain string, s *store.ReadinessSender) string {
	fix := ""
	switch s.Problem {
	case store.ProblemDKIM:
		fix = fmt.Sprintf("signs as %s: have it sign as %s (DKIM alignment).", s.Domain, domain)
	case store.ProblemSPF:
		fix = fmt.Sprintf("passes SPF only for %s: have it sign with DKIM as %s, or use a bounce domain below it.", s.Domain, domain)
	case store.ProblemSignature:
		fix = fmt.Sprintf("signs with %s, which verifies nowhere: publish the key, or have the sender use the one that is published.", s.Selector)
	case store.ProblemForwarded:
		return "forwards or changes what others sent: nothing to fix there. Sign everything with DKIM, which survives forwarding without changes."
	case store.ProblemSPFOnly:
		return fmt.Sprintf("passes by SPF only and would fail when it is forwarded: sign with DKIM as %s.", domain)
	case store.ProblemNone:
		if s.Kind == store.KindSpoofing {
			return "is not authenticated and not persistent: most likely not yours. The policy stops it."
		}
		fix = fmt.Sprintf("is not authenticated at all: sign with DKIM as %s, or add it to the SPF record.", domain)
	}
	if s.PassMessages == 0 {
		fix += " If it is not yours, there is nothing to do."
	}
	return fix
}

// printReadiness prints a readiness for people.
func printReadiness(w io.Writer, width int, r *store.Readiness) error {
	fmt.Fprintln(w, headline(r.Domain, &r.Covered))
	if r.Reports > 0 {
		fmt.Fprintf(w, "Published: %s (seen on %s)\n", cmp.Or(clean(policyLine(&r.Published)), "nothing"), dayText(r.On))
	}
	fmt.Fprintf(w, "\np=quarantine: %s\np=reject:     %s\n\n", r.Quarantine, r.Reject)
	for _, reason := range readinessReasons(r) {
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
		rows = append(rows, tableRow{cells: []string{name, string(s.Kind), problemText(s.Problem), grouped(s.Messages), fmt.Sprint(s.Days), grouped(s.Reporters), dayText(s.Last)}})
	}
	err := printTable(w, width, rows, column{name: "SENDER", least: 15, most: 40}, column{name: "LOOKS LIKE"}, column{name: "PROBLEM", least: 12, most: 24},
		column{name: "MESSAGES", right: true}, column{name: "DAYS", right: true}, column{name: "REPORTERS", right: true}, column{name: "LAST", wide: true})
	if more := len(r.Senders) - min(len(shown), mostShown); err == nil && more > 0 {
		_, err = fmt.Fprintf(w, "and %s more\n", grouped(int64(more)))
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
				from += fmt.Sprintf(" and %s more", grouped(int64(more)))
			}
			from += ")"
		}
		err = errors.Join(err, printItem(w, width, "- ", s.Name+from+" "+readinessFix(r.Domain, s)))
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

// problemText names a problem in a table.
func problemText(p store.Problem) string {
	return map[store.Problem]string{
		store.ProblemDKIM: "DKIM not aligned", store.ProblemSPF: "SPF not aligned", store.ProblemSignature: "bad signature",
		store.ProblemNone: "not authenticated", store.ProblemForwarded: "forwarded", store.ProblemSPFOnly: "SPF only",
	}[p]
}
