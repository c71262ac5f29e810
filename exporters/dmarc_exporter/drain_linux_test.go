package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// drainMemory is what the exporter may take at its peak, however much waits.
const drainMemory = 64 << 20

// TestDrain reads a mailbox of a real server in which mails wait that are made
// to stop or to burst a reader. All that are good count, all that are not are
// put away, and memory stays within its bound. DRAIN_MAILS is how many there
// are, one poisonous in a thousand; make kill-test drains 100,000.
func TestDrain(t *testing.T) {
	t.Parallel()
	mails := realtest.Count(t, "DRAIN_MAILS", 100)
	bad := poisons(t)
	every := min(1000, mails/len(bad))
	server, state := realtest.Dovecot(t), filepath.Join(t.TempDir(), "state.db")
	messages, refused := offerDrain(t, server, mails, bad, every)
	binary, config := realtest.Program(t, "dmarc_exporter"), mailboxConfig(t, server)

	start := time.Now()
	exporter := realtest.Start(t, exec.Command(binary, "serve", "--config.file="+config, "--state.file="+state,
		"--web.listen-address=127.0.0.1:0", "--log.level=error"))
	left, looking := mails, time.Duration(0)
	for progress := time.Now(); left > 0; {
		// Looking into a large folder takes time, which the exporter shall have.
		time.Sleep(max(100*time.Millisecond, 50*looking))
		began := time.Now()
		now := len(server.Mails(t, mailUser, "INBOX"))
		looking = time.Since(began)
		if now < left {
			left, progress = now, time.Now()
		}
		if time.Since(progress) > 5*time.Minute {
			t.Fatalf("stuck for five minutes: %d of %d mails are left", left, mails)
		}
	}
	took := time.Since(start)
	_, peak := exporter.Memory(t)
	exporter.Kill()
	t.Logf("%d mails, %d of them poisonous, in %s (%.0f/s), peak memory %.1f MiB",
		mails, refused, took.Round(time.Millisecond), float64(mails)/took.Seconds(), float64(peak)/(1<<20))

	store, err := store.Open(t.Context(), sqlite.File{Path: state}, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if got, want := ingesttest.Sum(store, tally.Messages), messages; got != want {
		t.Errorf("%d messages, want %d", got, want)
	}
	if got, want := ingesttest.Sum(store, tally.Refusals), refused; got != want {
		t.Errorf("%d refusals, want %d", got, want)
	}
	done, away := len(server.Mails(t, mailUser, "Done")), len(server.Mails(t, mailUser, "Refused"))
	if int64(away) != refused || done+away != mails {
		t.Errorf("%d mails are done and %d refused, want %d of %d refused", done, away, refused, mails)
	}
	if peak > drainMemory {
		t.Errorf("peak memory %d bytes, want at most %d", peak, drainMemory)
	}
}

// offerDrain puts mails into the mailbox, and returns what they sum up to.
func offerDrain(t *testing.T, server *realtest.DovecotServer, mails int, bad [][]byte, every int) (messages, refused int64) {
	t.Helper()
	var portion [][]byte
	for n := range mails {
		if n%every == every-1 {
			portion = append(portion, bad[int(refused)%len(bad)])
			refused++
		} else {
			count := n%9 + 1
			messages += int64(count)
			portion = append(portion, letter(t, fmt.Sprint(n), ingesttest.Report(fmt.Sprintf("d%d", n), count), n%2 == 0))
		}
		if len(portion) == 1000 || n == mails-1 {
			server.Seed(t, mailUser, "INBOX", portion...)
			portion = nil
		}
	}
	return messages, refused
}

// poisons are mails that readers have hung or died on. None holds a report that is whole.
func poisons(t testing.TB) [][]byte {
	report := ingesttest.Report("poison", 1)
	return [][]byte{
		[]byte("From: a@b.example\nSubject: hello\n\nNo report at all.\n"),
		[]byte("\x00\xff\x00\n\n\x00"),
		letter(t, "cut", report[:len(report)/2], false),
		mailed(text(string(gzipped(text(string(report))).bytes()[:100]))).bytes(),
		mailed(gzipped(repeated("<feedback>", 100<<20))).bytes(),
		mailed(gzipped(joined(text("<feedback>"), repeated("<record>", 400_000*len("<record>"))))).bytes(),
		letter(t, "attribute", []byte(`<feedback a="`+strings.Repeat("a", 8<<20)+`"/>`), false),
		mailed(noise(15 << 20)).bytes(),
		joined(text("From: a@b.example\nX-Long: "), repeated("x", 4<<20)).bytes(),
		nested(26),
		nested(10_000),
		joined(text("From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n"), repeated("--b\n\nx\n", 700_000)).bytes(),
	}
}

// nested is a mail of multiparts in multiparts that never end.
func nested(depth int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: a@b.example\nContent-Type: multipart/mixed; boundary=b0\n\n")
	for i := range depth {
		fmt.Fprintf(&b, "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", i, i+1)
	}
	return b.Bytes()
}
