package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// mailUser is the user whose mails are read.
const mailUser = "reports"

// TestKillIMAP kills the exporter at random moments while it reads a mailbox
// of a real server and moves what is done. Everything must be counted exactly
// once, and every mail must be in one of the two folders. IMAP_KILLS makes it
// longer; make kill-test does.
func TestKillIMAP(t *testing.T) {
	t.Parallel()
	newKillIMAP(t, "dmarc_exporter", realtest.Count(t, "IMAP_KILLS", 4)).hold(t)
}

// hold kills the exporter, and holds the state and the mailbox.
func (k *killIMAP) hold(t *testing.T) {
	start := time.Now()
	want, got := k.Run(t)
	t.Logf("%d kills within %s, %d mails in %s: %+v", k.Kills, k.Longest.Round(time.Millisecond), k.Inputs, time.Since(start).Round(time.Second), got)
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	done, refused := len(k.server.Mails(t, mailUser, "Done")), len(k.server.Mails(t, mailUser, "Refused"))
	if n := k.Pending(t); n != 0 || int64(refused) != want.Invalid || done+refused != k.Inputs {
		t.Errorf("%d mails wait, %d are done, %d are refused; want %d refused of %d", n, done, refused, want.Invalid, k.Inputs)
	}
}

// TestKillIMAPControls makes both mistakes that TestKillIMAP is there to find.
func TestKillIMAPControls(t *testing.T) {
	t.Parallel()
	for name, noticed := range map[string]func(want, got ingesttest.Counts) bool{
		ackFirst: func(want, got ingesttest.Counts) bool { return got.Counted < want.Counted },
		noDedupe: func(want, got ingesttest.Counts) bool { return got.Messages > want.Messages },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKillIMAP(t, name, 3)
			k.Trap, k.Acknowledges, k.Longest = ingesttest.Trap(k.State+trapSuffix), name == ackFirst, time.Second
			if want, got := k.Run(t); !noticed(want, got) {
				t.Errorf("the mistake was not noticed: got %+v, want %+v", got, want)
			}
		})
	}
}

// killIMAP is the driver with a mailbox.
type killIMAP struct {
	ingesttest.Kill
	server *realtest.DovecotServer
}

// newKillIMAP prepares to kill a command while it reads a mailbox over TLS.
func newKillIMAP(t *testing.T, command string, kills int) *killIMAP {
	t.Helper()
	server, dir := realtest.Dovecot(t), t.TempDir()
	server.Seed(t, mailUser, "INBOX")
	config, binary := mailboxConfig(t, server), realtest.Linked(t, command)
	var offered [][]byte // delivered at once, when the next command starts
	var k *killIMAP
	k = &killIMAP{server: server, Kill: ingesttest.Kill{
		State: filepath.Join(dir, "state.db"), Kills: kills, Inputs: 10 * kills,
		Command: func() *exec.Cmd {
			server.Seed(t, mailUser, "INBOX", offered...)
			offered = nil
			return exec.Command(binary, "serve", "--config.file="+config, k.StateFlag(), "--web.listen-address=127.0.0.1:0", "--log.level=error")
		},
		Offer: func(t testing.TB, n int, content []byte) {
			offered = append(offered, letter(t, fmt.Sprint(n), content, n%2 == 0))
		},
		Pending: func(t testing.TB) int { return len(server.Mails(t, mailUser, "INBOX")) },
	}}
	return k
}

// mailboxConfig writes a configuration that reads the mailbox of mailUser.
func mailboxConfig(t testing.TB, server *realtest.DovecotServer) (path string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte(realtest.DovecotPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "config.yml")
	text := fmt.Sprintf(`sources:
  imap:
  - address: %s
    tls: {ca_file: %s}
    username: %s
    password: {file: password}
    counted: {action: move, folder: Done}
    known: {action: move, folder: Done}
    refused: {action: move, folder: Refused}
`, server.IMAPS, filepath.Join(server.Dir, "cert.pem"), mailUser)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// letter is a mail with a report as text, or packed. Another id and another
// form make another mail of the same report.
func letter(t testing.TB, id string, content []byte, packed bool) []byte {
	head := fmt.Appendf(nil, "Message-ID: <%s@mail.example>\n", id)
	if packed {
		return append(head, mailed(gzipped(text(string(content)))).bytes()...)
	}
	return append(fmt.Appendf(head, "From: reports@mail.example\nSubject: Report\n\n"), content...)
}

// The commands of TestMain that are the exporter with a mistake.
const (
	ackFirst = "acknowledge_before_commit"
	noDedupe = "no_dedupe"
)

// trapSuffix makes the path of their trap of that of the state.
const trapSuffix = ".trap"

// mistakes are those commands.
func mistakes() map[string]func() {
	return map[string]func(){
		ackFirst: func() {
			s := mistaken()
			s.Supervisor.Run(context.Background(), ingesttest.AcknowledgeFirst(s.Pipeline.Deliver, trap(s)), s.Initial)
		},
		noDedupe: func() {
			s := mistaken()
			s.Pipeline = ingest.NewPipeline(ingesttest.NoDedupe{Store: s.Store, Trap: trap(s)}, ingest.PipelineConfig{})
			c, err := s.Options.Load()
			if err != nil {
				panic(err)
			}
			parts, err := s.Build(c)
			if err != nil {
				panic(err)
			}
			s.Initial = s.Use(parts)
			s.Supervisor.Run(context.Background(), s.Pipeline.Deliver, s.Initial)
		},
	}
}

func trap(s *serving.Service) ingesttest.Trap {
	return ingesttest.Trap(s.Options.StateFile + trapSuffix)
}

// mistaken is what serve makes of its flags, before it runs.
func mistaken() *serving.Service {
	app, f := newApp()
	if _, code, ok := exporter.Parse(app, os.Args[1:], os.Stdout, os.Stderr); !ok {
		os.Exit(code)
	}
	s, err := serving.NewService(context.Background(), &f.serve, f.Logger(os.Stderr))
	if err != nil {
		panic(err)
	}
	return s
}
