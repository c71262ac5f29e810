package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestKillPush kills the exporter while peers send reports over HTTP and LMTP,
// and send again what was not confirmed. Nothing may be lost or counted twice.
func TestKillPush(t *testing.T) {
	// Not parallel: the port must stay free while the exporter is dead.
	killPush(t, ingesttest.Kill{State: filepath.Join(t.TempDir(), "state.db"), Kills: realtest.Count(t, "PUSH_KILLS", 6)})
}

// killPush kills the exporter so often while peers send to it.
func killPush(t *testing.T, k ingesttest.Kill) {
	binary, dir := realtest.Linked(t, "dmarc_exporter"), t.TempDir()
	socket := filepath.Join(dir, "lmtp")
	address := realtest.FreeAddress(t)
	config := filepath.Join(dir, "config.yml")
	text := "sources:\n  http: {}\n  smtp:\n  - {listen: \"unix:" + socket + "\", lmtp: true, recipients: [reports@example.com]}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	peers := newPeers(t, func(ctx context.Context, n int, report []byte) error {
		if n%2 == 0 {
			return sendHTTP(ctx, "http://"+address+"/v1/reports", report)
		}
		return sendLMTP(socket, report)
	})
	random := rand.New(rand.NewPCG(3, uint64(k.Kills)))
	start := func() *exec.Cmd {
		cmd := exec.Command(binary, "serve", "--config.file="+config, k.StateFlag(), "--web.listen-address="+address, "--log.level=error")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	began := time.Now()
	for round := range k.Kills {
		peers.offer(30)
		cmd, longest := start(), 200*time.Millisecond
		if round%3 > 0 { // at work, however long it takes to start
			waiting := peers.waitingFor()
			eventually(t, "a confirmation", func() bool { return peers.waitingFor() < waiting })
			longest = 10 * time.Millisecond
		}
		time.Sleep(time.Duration(random.Int64N(int64(longest))))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatalf("the exporter ended by itself: %v", err)
		}
		_ = cmd.Wait()
	}
	cmd := start()
	eventually(t, "everything confirmed", peers.idle)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	store := k.Open(t)
	defer store.Close()
	messages, counted := ingesttest.Sum(store, tally.Messages), ingesttest.Sum(store, tally.Reports, string(tally.OutcomeCounted))
	t.Logf("%d kills, %d reports in %s, %d of them sent again after they were counted",
		k.Kills, counted, time.Since(began).Round(time.Second), ingesttest.Sum(store, tally.Reports, string(tally.OutcomeDuplicate)))
	if messages != peers.messages || counted != int64(peers.offered) {
		t.Errorf("%d messages in %d reports, want %d in %d", messages, counted, peers.messages, peers.offered)
	}
}

// peers send reports until each is confirmed.
type peers struct {
	queue    chan int
	waiting  sync.WaitGroup
	offered  int
	messages int64
	mu       sync.Mutex
	open     int
}

func newPeers(t *testing.T, send func(ctx context.Context, n int, report []byte) error) *peers {
	p := &peers{queue: make(chan int, 1<<16)}
	ctx, cancel := context.WithCancel(t.Context())
	for range 4 {
		p.waiting.Go(func() {
			for n := range p.queue {
				for ctx.Err() == nil && send(ctx, n, ingesttest.Report(fmt.Sprintf("p%d", n), n%5+1)) != nil {
					time.Sleep(5 * time.Millisecond)
				}
				p.mu.Lock()
				p.open--
				p.mu.Unlock()
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		close(p.queue)
		p.waiting.Wait()
	})
	return p
}

// offer gives the peers more to send.
func (p *peers) offer(n int) {
	p.mu.Lock()
	p.open += n
	p.mu.Unlock()
	for range n {
		p.messages += int64(p.offered%5 + 1)
		p.queue <- p.offered
		p.offered++
	}
}

// idle reports whether everything was confirmed.
func (p *peers) idle() bool { return p.waitingFor() == 0 }

// waitingFor returns how many reports were not confirmed.
func (p *peers) waitingFor() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

func sendHTTP(ctx context.Context, url string, report []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(report))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// sendLMTP is as much of LMTP as a queue needs.
func sendLMTP(socket string, report []byte) error {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	c := textproto.NewConn(conn)
	if _, _, err := c.ReadResponse(220); err != nil {
		return err
	}
	for _, step := range []struct {
		command string
		code    int
	}{{"LHLO peer.example", 250}, {"MAIL FROM:<>", 250}, {"RCPT TO:<reports@example.com>", 250}, {"DATA", 354}} {
		if _, err := c.Cmd("%s", step.command); err != nil {
			return err
		}
		if _, _, err := c.ReadResponse(step.code); err != nil {
			return err
		}
	}
	w := c.DotWriter()
	if _, err := fmt.Fprintf(w, "From: reports@mail.example\r\nSubject: Report\r\n\r\n%s\r\n", report); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, _, err = c.ReadResponse(250)
	return err
}
