package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// connectConfig is a configuration of which not all works.
const connectConfig = `
domains: [example.com]
dns: {watch: 1h, resolver: "DNS"}
sources:
  directories:
  - {path: in, after: move}
  - {path: nowhere}
  maildirs: [{path: mail, refused: keep}]
  mboxes: [{path: box}, {path: mail}]
  imap:
  - address: "IMAP"
    security: insecure-none
    username: good@example.com
    password: PASSWORD
    folders: [INBOX, Absent]
    counted: {action: move, folder: Done}
    known: {action: move, folder: Later}
  - {address: "IMAP", security: insecure-none, username: bad@example.com, password: wrong}
  - {address: "NOBODY", security: insecure-none, username: a@example.com, password: x}
  pop3:
  - {address: "POP3", security: insecure-none, username: good@example.com, password: PASSWORD}
  - {address: "POP3", security: insecure-none, username: bad@example.com, password: wrong}
  graph:
  - {user: good, url: "WEB", oauth2: {token_url: "WEB/token", client_id: i, client_secret: x, scopes: [s]}, counted: {action: move, folder: DMARC}}
  - {user: bad, url: "WEB", oauth2: {token_url: "WEB/none", client_id: i, client_secret: x, scopes: [s]}}
  gmail:
  - {user: good, url: "WEB", oauth2: {token_url: "WEB/token", client_id: i, client_secret: x, scopes: [s]}, folder: reports, counted: {action: move, folder: DMARC}}
  s3:
  - {bucket: reports, endpoint: "BUCKET", region: eu-test-1, access_key_id: AKIATEST, secret_access_key: s3cr3t-in-a-test, prefix: in/, after: delete}
  - {bucket: reports, endpoint: "BUCKET", access_key_id: AKIATEST, secret_access_key: s3cr3t-in-a-test, prefix: other/}
  smtp:
  - {listen: "FREE", recipients: [a@example.com]}
  - {listen: "BUSY", recipients: [a@example.com], lmtp: true}
`

// connectWant is the beginning of each line that check-config --connect prints
// about it, in order.
const connectWant = `the configuration is valid
ok: dir:DIR/in: read DIR/in
ok: dir:DIR/in: write DIR/in
ok: dir:DIR/in: write DIR/in/done
wrong: dir:DIR/nowhere: read DIR/nowhere: open DIR/nowhere: no such file or directory
ok: gmail:good: get a token
ok: gmail:good: look at folder reports
ok: gmail:good: folder DMARC does not exist, it will be created
wrong: graph:bad: get a token: oauth2: 
ok: graph:good: get a token
ok: graph:good: look at folder inbox
ok: graph:good: folder DMARC does not exist, it will be created
wrong: imap:a@example.com@127.0.0.1: log in: connect: 
wrong: imap:bad@example.com@127.0.0.1: log in: imap: NO 
ok: imap:good@example.com@127.0.0.1: log in
ok: imap:good@example.com@127.0.0.1: select folder INBOX
wrong: imap:good@example.com@127.0.0.1: select folder Absent: 
ok: imap:good@example.com@127.0.0.1: find folder Done
ok: imap:good@example.com@127.0.0.1: folder Later does not exist, it will be created
wrong: lmtp:BUSY: listen for mail: listen tcp BUSY: bind: address already in use; while serve runs
ok: maildir:DIR/mail: read DIR/mail/new
ok: maildir:DIR/mail: read DIR/mail/cur
ok: maildir:DIR/mail: write DIR/mail/new
ok: maildir:DIR/mail: write DIR/mail/cur
ok: maildir:DIR/mail: write DIR/mail
ok: mbox:DIR/box: read DIR/box
wrong: mbox:DIR/mail: read DIR/mail: 
wrong: pop3:bad@example.com@127.0.0.1: log in: PASS: the server says 
ok: pop3:good@example.com@127.0.0.1: log in
ok: pop3:good@example.com@127.0.0.1: count the mails
ok: s3:STORAGE/reports/in/: list objects
ok: s3:STORAGE/reports/in/: look at object "in/1.eml"
wrong: s3:STORAGE/reports/other/: list objects: the bucket is in the region "eu-test-1", not in us-east-1: change region
ok: smtp:FREE: listen for mail
ok: dns: look up _dmarc.example.com at DNS
ok: trust: look up example.com at DNS
`

// TestCheckConfigConnect tries everything that a configuration depends on, and
// neither reads nor moves a mail.
func TestCheckConfigConnect(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	server.Seed(t, "good@example.com", "INBOX", letter(t, "1", ingesttest.Report("1", 1), true))
	server.Seed(t, "good@example.com", "Done")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch path := strings.TrimPrefix(r.URL.Path, "/users/good/"); {
		case path == "/token":
			fmt.Fprint(w, `{"access_token":"a-token","token_type":"Bearer","expires_in":3600}`)
		case path == "labels":
			fmt.Fprint(w, `{"labels":[{"id":"L1","name":"reports"}]}`)
		case path == "labels/L1", path == "mailFolders/inbox":
			fmt.Fprint(w, `{"id":"x"}`)
		case path == "mailFolders" && r.Method == http.MethodGet:
			fmt.Fprint(w, `{"value":[]}`)
		default:
			http.Error(w, r.Method+" "+r.URL.Path, http.StatusNotFound)
		}
	}))
	t.Cleanup(web.Close)
	bucket := servers.NewBucket(t)
	bucket.Put("in/1.eml", ingesttest.Report("1", 1))
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() })
	dir := t.TempDir()
	for _, name := range []string{"in/done", "mail/new", "mail/cur"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	offer(t, filepath.Join(dir, "box"), nil)
	offer(t, filepath.Join(dir, "in", "1.xml"), ingesttest.Report("1", 1))
	fill := strings.NewReplacer("DNS", startDNS(t, "127.0.0.1:0", nil), "IMAP", server.IMAP, "POP3", server.POP3, "PASSWORD", realtest.DovecotPassword,
		"WEB", web.URL, "FREE", realtest.FreeAddress(t), "BUSY", busy.Addr().String(), "NOBODY", realtest.FreeAddress(t), "DIR", dir,
		"BUCKET", bucket.URL, "STORAGE", strings.TrimPrefix(bucket.URL, "http://"))
	writeConfig(t, dir, fill.Replace(connectConfig))
	check := func(args ...string) (code int, stdout string) {
		t.Helper()
		var out, stderr bytes.Buffer
		code = run(append([]string{"check-config", "--connect", filepath.Join(dir, "config.yml")}, args...), nil, &out, &stderr)
		if stderr.Len() > 0 {
			t.Errorf("errors: %s", stderr.String())
		}
		return code, out.String()
	}
	code, stdout := check("--state.file=" + filepath.Join(dir, "state.db"))
	if code != exitRefused {
		t.Errorf("exit code %d, want %d", code, exitRefused)
	}
	want := strings.Split(fill.Replace(connectWant)+"ok: state: write "+dir+"\n", "\n")
	got := strings.Split(stdout, "\n")
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || !strings.HasPrefix(got[i], want[i]) || strings.HasPrefix(want[i], "ok") && got[i] != want[i] {
			t.Fatalf("line %d is wrong:\n%s\nwant:\n%s", i+1, stdout, strings.Join(want, "\n"))
		}
	}
	if len(bucket.Objects("in/")) != 1 || bucket.Requests("get")+bucket.Requests("remove") > 0 {
		t.Errorf("the bucket was read or changed: %v", bucket.Objects(""))
	}
	if mails := server.Mails(t, "good@example.com", "INBOX"); len(mails) != 1 {
		t.Errorf("mails in the INBOX: %q, want the one", mails)
	}
	for _, name := range []string{"in/1.xml", "in", "mail"} {
		if found, _ := filepath.Glob(filepath.Join(dir, name, ".check*")); len(found) > 0 {
			t.Errorf("left behind: %s", found)
		}
	}
	if folders := strings.Join(server.Folders(t, "good@example.com"), " "); strings.Contains(folders, "Later") {
		t.Errorf("folders %s: one was created", folders)
	}

	// A configuration that works, with a state that serve has written.
	s, stop := runService(t, dir, map[string]string{"config.yml": "sources: {directories: [{path: in}]}\n"})
	realtest.Eventually(t, "the report counted", func() bool { return countedMessages(s) == 1 })
	state := "--state.file=" + s.Options.StateFile
	if code, stdout := check(state); code != exitOK || !strings.Contains(stdout, "ok: state: open state file "+s.Options.StateFile) {
		t.Errorf("while serve runs: exit code %d:\n%s", code, stdout)
	}
	stop()
	offer(t, filepath.Join(dir, "state.db"), []byte("no database"))
	if code, stdout := check(state); code != exitRefused || !strings.Contains(stdout, "wrong: state: open: ") {
		t.Errorf("damaged state: exit code %d:\n%s", code, stdout)
	}
}
