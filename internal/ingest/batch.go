package ingest

import (
	"context"
	"errors"
	"fmt"
	"mime"
	netmail "net/mail"
	"path"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// group is what was found in deliveries that share a transaction, and is not
// committed yet.
type group struct {
	store   Store
	archive Archive
	whole   []*batch // batches of deliveries that were read to their end
	reports int
	memory  int
}

// add adds a delivery that was read to its end, and commits when it is much.
func (g *group) add(ctx context.Context, b *batch) error {
	g.whole = append(g.whole, b)
	g.reports += len(b.entries) + len(b.refused)
	g.memory += b.memory
	if g.reports >= chunk || g.memory >= chunkMemory {
		return g.commit(ctx)
	}
	return nil
}

// commit records everything, with the marks of the deliveries.
func (g *group) commit(ctx context.Context) error {
	if len(g.whole) == 0 {
		return nil
	}
	defer g.close()
	return commitAll(ctx, g, g.whole, true)
}

// close drops the details of what is committed or given up.
func (g *group) close() {
	for _, b := range g.whole {
		b.close()
	}
	g.whole, g.reports, g.memory = nil, 0, 0
}

// commitAll records batches in one transaction.
func commitAll(ctx context.Context, g *group, batches []*batch, last bool) error {
	records := make([]*store.Delivery, len(batches))
	entries := 0
	for i, b := range batches {
		records[i] = b.record(last)
		entries += len(b.entries)
	}
	if g.archive != nil && entries > 0 {
		if err := g.archive.Sync(); err != nil {
			return fmt.Errorf("archive records: %w", err)
		}
	}
	results, err := g.store.CommitAll(ctx, records...)
	if err != nil {
		return fmt.Errorf("record reports: %w", err)
	}
	for i, b := range batches {
		b.recorded(results[i])
	}
	return nil
}

// batch is what was found in a delivery and is not committed yet.
type batch struct {
	group    *group
	delivery *Delivery
	entries  []*tally.Entry
	details  []*store.Details // of the entries
	memory   int              // that the details take
	names    []string
	refused  []store.Refusal
	auth     string // of all entries
	result   *Result
}

// add adds a report.
func (b *batch) add(ctx context.Context, name string, e *tally.Entry, details *store.Details, auth string) error {
	if err := b.prepare(ctx, auth); err != nil {
		details.Close()
		return err
	}
	b.entries = append(b.entries, e)
	b.details = append(b.details, details)
	b.memory += details.Memory()
	b.names = append(b.names, name)
	return nil
}

// refuse adds a refusal, or ends an unsettled delivery.
func (b *batch) refuse(ctx context.Context, name string, mail *unpack.Mail, err error, auth string) error {
	if b.delivery.Unsettled {
		return ErrUnsettled
	}
	if err := b.prepare(ctx, auth); err != nil {
		return err
	}
	var refused *dmarc.Error
	if !errors.As(err, &refused) {
		refused = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: err}
	}
	b.refused = append(b.refused, refusal(path.Join(b.delivery.Name, name), mail, refused))
	b.result.add(Item{Name: name, Outcome: tally.OutcomeInvalid, Err: refused}, false)
	return nil
}

// prepare commits what came before when it is much, or came with a mail of
// another authentication. What other deliveries hold goes first.
func (b *batch) prepare(ctx context.Context, auth string) error {
	if n := len(b.entries) + len(b.refused); n >= chunk || b.memory >= chunkMemory || n > 0 && auth != b.auth {
		if err := b.group.commit(ctx); err != nil {
			return err
		}
		defer b.close()
		if err := commitAll(ctx, b.group, []*batch{b}, false); err != nil {
			return err
		}
	}
	b.auth = auth
	return nil
}

// record returns what the store is to record, with its mark when it is the last of the delivery.
func (b *batch) record(last bool) *store.Delivery {
	record := &store.Delivery{Source: b.delivery.Source, Entries: b.entries, Details: b.details, Refused: b.refused, Auth: b.auth}
	if last && b.delivery.Key != "" {
		reason := b.result.reason
		if len(b.entries) > 0 || b.result.Counted+b.result.Known > 0 {
			reason = ""
		}
		record.Key, record.Mark = b.delivery.Key, Committed{Value: b.delivery.Mark, Reason: reason}.Encode()
	}
	return record
}

// recorded notes what became of the entries.
func (b *batch) recorded(results []tally.Result) {
	for i, e := range b.entries {
		b.result.add(Item{
			Name: b.names[i], Kind: e.Kind, Org: e.Org, Domain: e.Domain, ReportID: e.ReportID, Outcome: results[i].Outcome,
		}, results[i].Counted)
	}
	b.entries, b.names, b.refused = nil, nil, nil
}

// close drops the details of what is committed or given up.
func (b *batch) close() {
	for _, d := range b.details {
		d.Close()
	}
	b.details, b.memory = nil, 0
}

// refusal describes what was refused.
func refusal(input string, mail *unpack.Mail, err *dmarc.Error) store.Refusal {
	r := store.Refusal{Reason: err.Reason, Input: input, Message: err.Error()}
	if mail == nil {
		return r
	}
	for mail.Outer != nil {
		mail = mail.Outer
	}
	decoder := &mime.WordDecoder{}
	text := func(name string) string {
		raw := mail.Field(name)
		if decoded, err := decoder.DecodeHeader(raw); err == nil {
			return decoded
		}
		return raw
	}
	r.From, r.Subject, r.MessageID = text("From"), text("Subject"), mail.Field("Message-ID")
	if date, err := netmail.ParseDate(mail.Field("Date")); err == nil {
		r.Date = date
	}
	return r
}
