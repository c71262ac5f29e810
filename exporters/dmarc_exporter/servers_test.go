package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// mailServer is a server with a deviation, from which the exporter reads.
type mailServer struct {
	// name is what the domain of its mails and its user are called.
	name string
	// source is the name of the source.
	source  string
	settled func() bool
	// what describes it.
	what string
}

// mailServers starts one server for each deviation of each protocol that is
// wanted, with so many mails, and returns the configuration of an exporter that
// reads from all of them.
func mailServers(t *testing.T, n int, wanted func(kind string, d *servers.Deviation) bool) (all []mailServer, config string) {
	lists := map[string][]string{}
	add := func(kind string, d servers.Deviation, settled func() bool, format string, values ...any) {
		name := fmt.Sprintf("mode%d", len(all))
		source := kind + ":" + name + "@127.0.0.1"
		if kind == "graph" || kind == "gmail" {
			source = kind + ":" + name
		}
		all = append(all, mailServer{name: name, source: source, settled: settled, what: kind + ": " + d.Name})
		lists[kind] = append(lists[kind], strings.ReplaceAll(fmt.Sprintf(format, values...), "NAME", name))
	}
	mails := func() (some [][]byte) {
		for n := range n {
			report := ingesttest.Report(fmt.Sprintf("%d-%d", len(all), n), 5)
			report = bytes.ReplaceAll(report, []byte("example.com"), fmt.Appendf(nil, "mode%d.example", len(all)))
			mail := bytes.ReplaceAll(letter(t, fmt.Sprint(n), report, n%3 == 2), []byte("\r\n"), []byte("\n"))
			some = append(some, bytes.ReplaceAll(mail, []byte("\n"), []byte("\r\n")))
		}
		return some
	}
	const moving = "counted: {action: move, folder: Done}, known: {action: move, folder: Done}, refused: {action: move, folder: Refused}"
	pick := func(kind string, deviations []servers.Deviation) []servers.Deviation {
		return slices.DeleteFunc(deviations, func(d servers.Deviation) bool { return wanted != nil && !wanted(kind, &d) })
	}
	for _, d := range pick("imap", servers.IMAPDeviations()) {
		s, actions := d.IMAP(t, mails()...), moving
		if d.Want == "flagged" {
			actions = "counted: {action: flag}, known: {action: flag}"
		}
		add("imap", d, s.Settled, "{address: %q, security: insecure-none, username: NAME, password: x, poll: 100ms, timeout: 20s, %s}", s.Address, actions)
	}
	for _, d := range pick("pop3", servers.POP3Deviations()) {
		s := d.POP3(t, mails()...)
		add("pop3", d, s.Settled, "{address: %q, security: insecure-none, username: NAME, password: x, poll: 1s, timeout: 20s, after: delete, refused: keep}", s.Address)
	}
	for _, kind := range []string{"graph", "gmail"} {
		for _, d := range pick(kind, servers.WebDeviations()) {
			s := d.Web(t, mails()...)
			add(kind, d, s.Settled, `{url: %q, user: NAME, poll: 1s, timeout: 20s, oauth2: {token_url: "%s/token", client_id: i, client_secret: x}, %s}`, s.URL, s.URL, moving)
		}
	}
	config = "domains:\n"
	for _, s := range all {
		config += "- " + s.name + ".example\n"
	}
	config += "sources:\n"
	for kind, list := range lists {
		config += "  " + kind + ":\n  - " + strings.Join(list, "\n  - ") + "\n"
	}
	return all, config
}

// TestServers reads mails from servers that each differ in one way, with one
// exporter. Of each all messages are counted, all mails are put away, none is
// refused or missed, and nothing that one server does stops the others. A short
// run tries one deviation of SERVER_STRIDE; make kill-test tries them all.
func TestServers(t *testing.T) {
	t.Parallel()
	stride, n := realtest.Count(t, "SERVER_STRIDE", 4), 0
	all, config := mailServers(t, 3, func(string, *servers.Deviation) bool {
		n++
		return n%stride == 0
	})
	if least := 110 / stride; len(all) < least {
		t.Errorf("%d servers, want at least %d", len(all), least)
	}
	command, logs := serversCommand(t, config)
	address := realtest.FreeAddress(t)
	process := realtest.Start(t, command(address))
	awaitServers(t, all, process, logs)
	text, err := os.ReadFile(logs)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, "panic") || strings.Contains(line, "giving up") || strings.Contains(line, "DATA RACE") {
			t.Error(line)
		}
	}
	checkServers(t, all, address, 15)
}

// serversCommand makes commands that serve a configuration, with one state and
// one log.
func serversCommand(t *testing.T, config string) (command func(address string) *exec.Cmd, logs string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yml")
	logs = filepath.Join(dir, "log")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(logs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	binary := realtest.Linked(t, "dmarc_exporter")
	return func(address string) *exec.Cmd {
		cmd := exec.Command(binary, "serve", "--config.file="+path, "--state.file="+filepath.Join(dir, "state.db"),
			"--web.listen-address="+address, "--budget.series=20000")
		cmd.Stderr = file
		return cmd
	}, logs
}

// TestKillServers kills the exporter at random moments while it reads from some
// of the servers, among them those that fail for a while. Nothing may be lost or
// counted twice. SERVER_KILLS makes it longer.
func TestKillServers(t *testing.T) {
	t.Parallel()
	kills := realtest.Count(t, "SERVER_KILLS", 3)
	n := 0
	all, config := mailServers(t, 5*kills, func(_ string, d *servers.Deviation) bool {
		d.Outage = 300 * time.Millisecond
		n++
		return strings.Contains(d.Name, "for a while") || strings.Contains(d.Name, "UIDL") || n%20 == 0
	})
	command, logs := serversCommand(t, config)
	random := rand.New(rand.NewPCG(5, uint64(kills)))
	for range kills {
		process := realtest.Start(t, command("127.0.0.1:0"))
		time.Sleep(300*time.Millisecond + time.Duration(random.Int64N(int64(300*time.Millisecond))))
		process.Kill()
	}
	address := realtest.FreeAddress(t)
	process := realtest.Start(t, command(address))
	awaitServers(t, all, process, logs)
	checkServers(t, all, address, float64(25*kills))
	t.Logf("%d kills, %d servers with %d mails each", kills, len(all), 5*kills)
}

// awaitServers waits until all mails are where they should be. For a server
// whose mails are not, it shows what the exporter logged about it.
func awaitServers(t *testing.T, all []mailServer, process *realtest.Process, logs string) {
	t.Helper()
	for limit := time.Now().Add(realtest.Patience); ; time.Sleep(20 * time.Millisecond) {
		waiting := slices.DeleteFunc(slices.Clone(all), func(s mailServer) bool { return s.settled() })
		if len(waiting) == 0 {
			return
		}
		select {
		case <-process.Done():
			t.Fatal("the exporter ended")
		default:
		}
		if time.Now().Before(limit) {
			continue
		}
		text, _ := os.ReadFile(logs) // what there is
		for _, s := range waiting {
			t.Errorf("%s: the mails are not where they should be", s.what)
			for line := range strings.Lines(string(text)) {
				if strings.Contains(line, "="+s.source+" ") {
					t.Log(line)
				}
			}
		}
		t.FailNow()
	}
}

// checkServers compares what was counted of each server. One that was killed
// before may have read all mails: then this one has only just started.
func checkServers(t *testing.T, all []mailServer, address string, want float64) {
	t.Helper()
	const missedName = "dmarc_source_missed_inputs_total{"
	var series map[string]float64
	eventually(t, "all sources started", func() bool {
		series = scrape(t, address)
		started := 0
		for name := range series {
			if strings.HasPrefix(name, missedName) {
				started++
			}
		}
		return started >= len(all)
	})
	messages, missed := map[string]float64{}, map[string]float64{}
	for name, value := range series {
		domain, _, _ := strings.Cut(name[strings.Index(name, "domain=")+len("domain="):], ",")
		_, source, _ := strings.Cut(strings.TrimSuffix(name, "}"), "source=")
		switch {
		case strings.HasPrefix(name, "dmarc_messages_total{"):
			messages[domain] += value
		case strings.HasPrefix(name, missedName):
			missed[source] = value
		case strings.HasPrefix(name, "dmarc_reports_invalid_total{") && value != 0:
			t.Errorf("%s is %g, want 0", name, value)
		}
	}
	for _, s := range all {
		if got := messages[s.name+".example"]; got != want {
			t.Errorf("%s: %g messages, want %g", s.what, got, want)
		}
		if n, ok := missed[s.source]; !ok || n != 0 {
			t.Errorf("%s: %g missed (known: %t), want none", s.what, n, ok)
		}
	}
}
