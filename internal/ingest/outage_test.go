package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// outageScale makes a minute 10 ms.
const outageScale = time.Minute / (10 * time.Millisecond)

// TestOutage lets servers of every kind fail in every way for a minute, ten
// minutes and an hour. No mail is refused or lost, and all are counted then.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, lasting := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour} {
		t.Run(lasting.String(), func(t *testing.T) {
			t.Parallel()
			testOutage(t, lasting/outageScale)
		})
	}
}

func testOutage(t *testing.T, lasting time.Duration) {
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	// The day until a mail is given up is not scaled: a busy machine is slower than
	// outageScale, and would give up mails.
	options := ingest.Options{Poll: time.Minute / outageScale, Marks: pipeline}
	sources, settled := map[string]ingest.Source{}, map[string]func() bool{}
	for kind, deviations := range map[string][]servers.Deviation{
		"imap": servers.IMAPDeviations(), "pop3": servers.POP3Deviations(), "graph": servers.WebDeviations(), "gmail": servers.WebDeviations(),
	} {
		for _, d := range deviations {
			if strings.HasPrefix(d.Name, "tokens") {
				continue // These sources ask for none.
			}
			if strings.HasSuffix(d.Name, "for a while") || strings.Contains(d.Name, " answer 5") || strings.HasPrefix(d.Name, "connections") {
				d.Outage = lasting
				name := fmt.Sprintf("%s %s", kind, d.Name)
				sources[name], settled[name] = outageSource(t, kind, fmt.Sprint("user", len(sources)), d, options)
			}
		}
	}
	defer startSources(t, sources, pipeline.Deliver)()
	for name, settled := range settled {
		realtest.Eventually(t, name+": mails are put away", settled)
	}
	realtest.Eventually(t, "all counted", func() bool { return ingesttest.Sum(store, tally.Messages) == int64(10*len(sources)) })
	if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
		t.Errorf("%d refused, want none", n)
	}
	for name, source := range sources {
		if n := source.Status().Missed; n != 0 {
			t.Errorf("%s: %d missed, want none", name, n)
		}
	}
}

// startSources runs sources, and restarts them soon, until stop is called.
func startSources(t testing.TB, sources map[string]ingest.Source, deliver ingest.Deliver) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	supervisor := &ingest.Supervisor{MinPause: time.Millisecond, MaxPause: time.Minute / outageScale}
	var running sync.WaitGroup
	running.Go(func() { supervisor.Run(ctx, deliver, sources) })
	return func() {
		cancel()
		running.Wait()
	}
}

// noToken is the token of services that ask for none.
func noToken(context.Context, bool) (string, error) { return "t", nil }

// outageSource makes a source and the server that it reads from.
func outageSource(t *testing.T, kind, user string, d servers.Deviation, o ingest.Options) (source ingest.Source, settled func() bool) {
	t.Helper()
	mails := [][]byte{mail(ingesttest.Report("one-"+user, 3)), mail(ingesttest.Report("two-"+user, 7))}
	move := ingest.Action{Kind: ingest.AfterMove, Folder: "Done"}
	actions := ingest.Actions{Counted: move, Known: move, Refused: move}
	var err error
	switch kind {
	case "imap":
		s := d.IMAP(t, mails...)
		settled = s.Settled
		source, err = imap.New(imap.Config{
			Options: o, Actions: actions, Address: s.Address, Security: ingest.SecurityInsecure, User: user, Auth: imap.Password(user, dovecotPassword),
		})
	case "pop3":
		s := d.POP3(t, mails...)
		settled = s.Settled
		source, err = ingest.NewPOP3(ingest.POP3Config{
			Options: o, Address: s.Address, Security: ingest.SecurityInsecure, User: user, Password: dovecotPassword, After: ingest.AfterDelete,
		})
	default:
		s := d.Web(t, mails...)
		settled = s.Settled
		open := map[string]func(ingest.WebmailConfig) (*ingest.Webmail, error){"graph": ingest.NewGraph, "gmail": ingest.NewGmail}[kind]
		source, err = open(ingest.WebmailConfig{
			Options: o, Actions: actions, URL: s.URL, User: user, Token: noToken,
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return source, settled
}
