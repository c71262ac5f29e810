package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// command runs the program and returns what it prints.
func command(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	if got := run(args, strings.NewReader(""), &out, &err); got != code {
		t.Fatalf("%s: exit code %d, want %d: %s%s", args, got, code, out.String(), err.String())
	}
	return out.String(), err.String()
}

// TestImportMailbox fills a state from a mailbox, with the folder that mails were
// moved to. All of them stay where they are.
func TestImportMailbox(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	mails := func(first, n int) (all [][]byte) {
		for i := first; i < first+n; i++ {
			all = append(all, letter(t, fmt.Sprint(i), ingesttest.Report(fmt.Sprint("r", i), i+1), i%2 == 0))
		}
		return all
	}
	server.Seed(t, mailUser, "INBOX", mails(0, 2)...)
	server.Seed(t, mailUser, "Done", append(mails(2, 3), []byte("Subject: hello\n\nThis is no report.\n"))...)
	args := []string{"store", "import", "--config.file=" + mailboxConfig(t, server), "--state.file=" + filepath.Join(t.TempDir(), "state.db")}
	for _, want := range []string{
		"5 new reports counted and kept, 0 counted before and kept now, 0 with nothing missing, ",
		"0 new reports counted and kept, 0 counted before and kept now, 5 with nothing missing, ",
	} {
		stdout, stderr := command(t, exitRefused, args...)
		if !strings.HasPrefix(stdout, want) || !strings.Contains(stdout, "; 1 input refused") || !strings.Contains(stderr, "Done/4: not_a_report") {
			t.Errorf("%q, %q, want %q and a refusal", stdout, stderr, want)
		}
	}
	if in, done := len(server.Mails(t, mailUser, "INBOX")), len(server.Mails(t, mailUser, "Done")); in != 2 || done != 4 {
		t.Errorf("%d and %d mails, want 2 and 4 as before", in, done)
	}
	stdout, _ := command(t, exitOK, "store", "check", args[3])
	if !strings.Contains(stdout, "5 reports counted, 5 kept with 5 records; 15 messages counted, 15 in records") {
		t.Errorf("check: %s", stdout)
	}
	// A mailbox that cannot be read is an error.
	server.Stop()
	if _, stderr := command(t, exitRefused, args...); !strings.Contains(stderr, "dmarc_exporter: imap:reports@127.0.0.1: ") {
		t.Errorf("without a server: %s", stderr)
	}
}
