package ingest

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"maps"
	"mime"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Journal logs what became of inputs: a line for each that was refused, but not
// too many, and a summary of each source after a backlog and then at most hourly.
// It is safe for concurrent use.
type Journal struct {
	logger *slog.Logger
	now    func() time.Time
	mu     sync.Mutex
	pages  map[string]*page // by source
}

// page is what happened to a source since its last summary.
type page struct {
	notices                 *Notices
	counted, known, refused int
	last                    time.Time // an input was taken
	told                    time.Time // the last summary
}

const (
	// journalQuiet is how long a source must take nothing for its backlog to be over.
	journalQuiet = 10 * time.Second
	// journalPause is how long at least it is from one summary to the next.
	journalPause = time.Hour
)

// NewJournal returns a Journal. now may be nil.
func NewJournal(logger *slog.Logger, now func() time.Time) *Journal {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	return &Journal{logger: logger, now: now, pages: make(map[string]*page)}
}

// Deliver returns deliver with the journal beside it.
func (j *Journal) Deliver(deliver Deliver) Deliver {
	return func(ctx context.Context, deliveries ...*Delivery) ([]Result, error) {
		heads := make([]*headReader, len(deliveries))
		for i, d := range deliveries {
			if d.Body != nil {
				heads[i] = &headReader{r: d.Body}
				d.Body = heads[i]
			}
		}
		results, err := deliver(ctx, deliveries...)
		if err != nil {
			return results, err
		}
		for i, d := range deliveries {
			if results[i].Err == nil && (d.Body != nil || d.Refused != nil) {
				j.record(d, &results[i], heads[i])
			}
		}
		return results, nil
	}
}

// record notes what became of an input.
func (j *Journal) record(d *Delivery, r *Result, head *headReader) {
	j.mu.Lock()
	p := j.pages[d.Source]
	if p == nil {
		p = &page{notices: NewNotices(j.logger.With("source", d.Source))}
		j.pages[d.Source] = p
	}
	p.counted, p.known, p.refused = p.counted+r.Counted, p.known+r.Known, p.refused+r.Refused
	p.last = j.now()
	j.mu.Unlock()
	if r.Refused == 0 {
		return
	}
	attributes := []any{"input", printableText(d.Name, 200)}
	i := slices.IndexFunc(r.Items, func(item Item) bool { return item.Err != nil })
	if i >= 0 && r.Items[i].Name != "" {
		attributes = append(attributes, "document", printableText(r.Items[i].Name, 100))
	}
	if head != nil {
		attributes = append(attributes, head.describe()...)
	}
	if accepted := r.Counted + r.Known; accepted > 0 || r.Refused > 1 {
		attributes = append(attributes, "refused", r.Refused, "accepted", accepted)
	}
	if i >= 0 {
		attributes = append(attributes, "reason", r.Items[i].Err.Reason, "err", printableText(r.Items[i].Err.Error(), 300))
	}
	p.notices.Warn("input refused", attributes...)
}

// Run logs the summaries until ctx ends, and what is left then.
func (j *Journal) Run(ctx context.Context) {
	tick := time.NewTicker(journalQuiet)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			j.summarize(true)
			return
		case <-tick.C:
			j.summarize(false)
		}
	}
}

// summarize logs the sources that are due, or all.
func (j *Journal) summarize(all bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	for _, source := range slices.Sorted(maps.Keys(j.pages)) {
		p := j.pages[source]
		due := now.Sub(p.last) >= journalQuiet && now.Sub(p.told) >= journalPause
		if p.counted+p.known+p.refused == 0 || !due && !all {
			continue
		}
		j.logger.Info("reports read", "source", source, "counted", p.counted, "known", p.known, "refused", p.refused)
		p.counted, p.known, p.refused, p.told = 0, 0, 0, now
	}
}

// headReader remembers the beginning of an input, which describes it.
type headReader struct {
	r     io.Reader
	head  []byte
	ended bool // nothing more is remembered
}

// journalHead is how much of an input is remembered.
const journalHead = 8 << 10

func (h *headReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if room := journalHead - len(h.head); !h.ended && room > 0 && n > 0 {
		if h.ended = len(h.head) == 0 && !letter(p[0]); !h.ended {
			h.head = append(h.head, p[:min(n, room)]...)
			h.cut()
		}
	}
	return n, err
}

// cut leaves what describe needs: many inputs wait for one transaction, and most of
// them are no mails.
func (h *headReader) cut() {
	line, _, _ := bytes.Cut(h.head, []byte("\n"))
	if bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' }) {
		h.head, h.ended = nil, true
		return
	}
	if header, ended := cutHeader(h.head); ended {
		h.head, h.ended = bytes.Clone(header), true
	}
}

// letter reports whether a byte may begin the header of a mail.
func letter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

func (h *headReader) release() {
	if r, ok := h.r.(interface{ release() }); ok {
		r.release()
	}
}

// describe returns what tells a mail from others: of its sender only the domain.
func (h *headReader) describe() (attributes []any) {
	mail := &unpack.Mail{Header: h.head}
	text := func(name string, longest int) string {
		raw := mail.Field(name)
		decoder := &mime.WordDecoder{}
		if decoded, err := decoder.DecodeHeader(raw); err == nil {
			raw = decoded
		}
		return printableText(raw, longest)
	}
	if date, err := netmail.ParseDate(mail.Field("Date")); err == nil {
		attributes = append(attributes, "date", date.UTC().Format(time.RFC3339))
	}
	if from := text("From", 300); from != "" {
		domain := from[strings.LastIndexByte(from, '@')+1:]
		domain, _, _ = strings.Cut(cmp.Or(domain, from), ">")
		if strings.Contains(from, "@") {
			attributes = append(attributes, "from_domain", printableText(strings.TrimSpace(domain), 100))
		}
	}
	for _, field := range []struct{ name, key string }{{"Subject", "subject"}, {"Message-ID", "message_id"}} {
		if value := text(field.name, 100); value != "" {
			attributes = append(attributes, field.key, value)
		}
	}
	return attributes
}

// printableText cuts a text and takes out of it what cannot be shown.
func printableText(text string, longest int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == unicode.ReplacementChar, !unicode.IsPrint(r) && !unicode.IsSpace(r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return text
}
