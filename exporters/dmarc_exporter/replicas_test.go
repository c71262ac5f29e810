package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// replicas are exporters that share a database and a directory.
type replicas struct {
	binary    string
	args      []string
	addresses []string
	running   []*exec.Cmd
}

// start starts one of them.
func (r *replicas) start(t *testing.T, i int) {
	t.Helper()
	cmd := exec.Command(r.binary, append([]string{"serve", "--web.listen-address=" + r.addresses[i]}, r.args...)...)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.running[i] = cmd
}

// kill kills one of them.
func (r *replicas) kill(t *testing.T, i int) {
	t.Helper()
	if err := r.running[i].Process.Kill(); err != nil {
		t.Errorf("the exporter ended by itself: %v", err)
	}
	_ = r.running[i].Wait() // It was killed.
	r.running[i] = nil
}

// metrics returns what one of them exposes, nothing while it does not answer.
func (r *replicas) metrics(i int) string {
	client := &http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + r.addresses[i] + "/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body) // What is cut off does not lead.
	return string(text)
}

// leader returns which of them leads, -1 while not exactly one does.
func (r *replicas) leader(t *testing.T) int {
	t.Helper()
	found := -1
	for i, cmd := range r.running {
		if cmd == nil || !strings.Contains(r.metrics(i), "\ndmarc_replica_leading 1\n") {
			continue
		}
		if found >= 0 {
			return -1 // One has not noticed yet that it does not lead any more.
		}
		found = i
	}
	return found
}

// TestReplicas kills replicas, the leading one in every other round, and the
// connections of all, while reports come to all of them and files to their
// directory. Nothing is lost or counted twice, another one takes over, and one of
// them exposes the counts.
func TestReplicas(t *testing.T) {
	// Not parallel: the ports must stay free while replicas are dead.
	server := realtest.Postgres(t)
	server.CreateDatabase(t, "replicas", "")
	k := ingesttest.Kill{Database: fmt.Sprintf("postgres:///replicas?host=%s&port=%d&user=postgres", server.Dir, server.Port)}
	const size = 3
	dir, kills := t.TempDir(), realtest.Count(t, "REPLICA_KILLS", 4)
	config := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(config, []byte("sources:\n  http: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &replicas{binary: realtest.Linked(t, "dmarc_exporter"), running: make([]*exec.Cmd, size), args: []string{
		"--config.file=" + config, k.StateFlag(), "--state.shared", "--source.dir=" + dir, "--source.after=move", "--source.rescan=100ms", "--log.level=error",
	}}
	for i := range size {
		r.addresses = append(r.addresses, fmt.Sprintf("127.0.0.1:%d", realtest.FreePort(t)))
		r.start(t, i)
	}
	t.Cleanup(func() {
		for i, cmd := range r.running {
			if cmd != nil {
				r.kill(t, i)
			}
		}
	})
	peers := newPeers(t, func(ctx context.Context, _ int, report []byte) error {
		return sendHTTP(ctx, "http://"+r.addresses[rand.IntN(size)]+"/v1/reports", report)
	})
	random := rand.New(rand.NewPCG(21, uint64(kills)))
	files, longest := 0, time.Duration(0)
	var leader int
	lead := func() bool { leader = r.leader(t); return leader >= 0 }
	for round := range kills {
		// One that starts while the database is away ends, as it should.
		eventually(t, "all started", func() bool {
			for i := range size {
				if r.metrics(i) == "" {
					return false
				}
			}
			return true
		})
		eventually(t, "a leader", lead)
		peers.offer(20)
		for range 10 {
			path := filepath.Join(dir, fmt.Sprintf("%d.xml", files))
			if err := os.WriteFile(path, ingesttest.Report(fmt.Sprint("f", files), 1), 0o600); err != nil {
				t.Fatal(err)
			}
			files++
		}
		victim := leader
		if round%2 == 1 {
			victim = random.IntN(size)
		}
		time.Sleep(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
		killed := time.Now()
		if round%4 == 3 { // the server lets go of everybody
			server.SQL(t, "replicas", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dmarc-suite'")
			continue
		}
		r.kill(t, victim)
		eventually(t, "a leader", lead)
		longest = max(longest, time.Since(killed))
		r.start(t, victim)
	}
	eventually(t, "everything confirmed", peers.idle)
	eventually(t, "all files read", func() bool {
		left, err := filepath.Glob(filepath.Join(dir, "*.xml"))
		return err == nil && len(left) == 0
	})
	eventually(t, "one of them exposes the counts", func() bool {
		exposed := 0
		for i := range size {
			text := r.metrics(i)
			if !strings.Contains(text, "\ndmarc_up 1\n") {
				return false
			}
			if strings.Contains(text, "\ndmarc_messages_total{") {
				exposed++
			}
		}
		return exposed == 1
	})
	for i := range size {
		r.kill(t, i)
	}
	store := k.Open(t)
	defer store.Close()
	messages, counted := ingesttest.Sum(store, tally.Messages), ingesttest.Sum(store, tally.Reports, string(tally.OutcomeCounted))
	t.Logf("%d kills, %d reports, the longest time without a leader %s", kills, counted, longest.Round(time.Millisecond))
	if messages != peers.messages+int64(files) || counted != int64(peers.offered+files) {
		t.Errorf("%d messages in %d reports, want %d in %d", messages, counted, peers.messages+int64(files), peers.offered+files)
	}
}
