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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// replicas are exporters that share a database, and the sources that they read.
type replicas struct {
	*sources
	binary    string
	args      []string
	addresses []string
	running   []*realtest.Process
}

// newReplicas starts some that share the database of k.
func newReplicas(t *testing.T, k ingesttest.Kill, size int, s *sources) *replicas {
	r := &replicas{sources: s, binary: realtest.Linked(t, "dmarc_exporter"), running: make([]*realtest.Process, size), args: []string{
		k.StateFlag(), "--state.shared", "--source.dir=" + s.dir, "--source.after=" + s.after, "--source.rescan=100ms", "--log.level=error",
	}}
	for i := range size {
		r.addresses = append(r.addresses, realtest.FreeAddress(t))
		r.start(t, i)
	}
	r.peers = newPeers(t, func(ctx context.Context, n int, report []byte) error {
		if i := rand.IntN(size); n%2 == 0 {
			return sendHTTP(ctx, "http://"+r.addresses[i]+"/v1/reports", report)
		} else {
			return sendLMTP(s.socket(i), report)
		}
	})
	return r
}

// start starts one of them.
func (r *replicas) start(t *testing.T, i int) {
	t.Helper()
	r.running[i] = realtest.Start(t, exec.Command(r.binary, append([]string{"serve", "--config.file=" + r.config(t, i), "--web.listen-address=" + r.addresses[i]}, r.args...)...))
}

// ready waits until all serve. One that starts while the database is away ends, as
// it should, and is started again.
func (r *replicas) ready(t *testing.T) {
	t.Helper()
	eventually(t, "all started", func() bool {
		for i, p := range r.running {
			select {
			case <-p.Done():
				r.start(t, i)
			default:
			}
			if r.metrics(i) == "" {
				return false
			}
		}
		return true
	})
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

// only waits until exactly one of them exposes a line, and returns which.
func (r *replicas) only(t *testing.T, line string) int {
	t.Helper()
	found := -1
	eventually(t, "one of them exposes "+line, func() bool {
		found = -1
		n := 0
		for i := range r.running {
			if strings.Contains(r.metrics(i), "\n"+line) {
				found = i
				n++
			}
		}
		return n == 1
	})
	return found
}

// leader waits until one of them leads, and returns which.
func (r *replicas) leader(t *testing.T) int {
	t.Helper()
	return r.only(t, "dmarc_replica_leading 1\n")
}

// counts returns the lines about messages that all of them expose.
func (r *replicas) counts() (lines string) {
	for i := range r.running {
		for line := range strings.Lines(r.metrics(i)) {
			if strings.HasPrefix(line, "dmarc_messages_total{") {
				lines += line
			}
		}
	}
	return lines
}

// hold ends all of them, and holds the state to what was offered.
func (r *replicas) hold(t *testing.T, k ingesttest.Kill) {
	t.Helper()
	r.drain(t)
	r.only(t, "dmarc_messages_total{")
	for i := range r.running {
		eventually(t, "all reach the database", func() bool { return strings.Contains(r.metrics(i), "\ndmarc_up 1\n") })
		r.running[i].Kill()
	}
	got, want := r.counted(t, k), r.offered()
	if got != want {
		t.Errorf("%+v counted, want %+v", got, want)
	}
}

// sums are messages and reports.
type sums struct{ messages, reports int64 }

// counted returns what the state has.
func (r *replicas) counted(t *testing.T, k ingesttest.Kill) sums {
	t.Helper()
	store := k.Open(t)
	defer store.Close()
	return sums{ingesttest.Sum(store, tally.Messages), ingesttest.Sum(store, tally.Reports, string(tally.OutcomeCounted))}
}

// TestReplicas kills replicas, the leading one in every other round, ends their
// connections, crashes the database and takes it away, while reports come to all of them by
// HTTP and LMTP, and to their directory, mailbox and bucket. Nothing is lost or
// counted twice, another one takes over, and one of them exposes the counts. make
// scale-lab makes it longer.
func TestReplicas(t *testing.T) {
	t.Parallel()
	server := realtest.Postgres(t)
	server.CreateDatabase(t, "replicas", "")
	// By its socket the server lets everybody in, without a password.
	proxy := realtest.NewFaultProxy(t, "unix", server.Socket())
	k := ingesttest.Kill{Database: "postgres://postgres@" + proxy.Addr() + "/replicas?sslmode=disable"}
	r := newReplicas(t, k, 3, newSources(t, "move"))
	kills, restarts := realtest.Count(t, "REPLICA_KILLS", 2), realtest.Count(t, "REPLICA_RESTARTS", 1)
	away := time.Duration(realtest.Count(t, "REPLICA_AWAY_SECONDS", 1)) * time.Second
	random := rand.New(rand.NewPCG(21, uint64(kills)))
	longest := time.Duration(0)
	events := map[string]func(){
		"kill": func() {
			victim := r.leader(t)
			if random.IntN(2) == 1 {
				victim = random.IntN(len(r.running))
			}
			time.Sleep(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
			began := time.Now()
			r.running[victim].Kill()
			r.leader(t)
			longest = max(longest, time.Since(began))
			r.start(t, victim)
		},
		"connections end": func() {
			server.SQL(t, "replicas", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dmarc-suite'")
		},
		"crash": func() { server.Restart(t) },
		"away": func() {
			eventually(t, "everything confirmed", r.peers.idle)
			r.drain(t)
			before := r.counts()
			proxy.SetMode(t, realtest.Refuse)
			open := r.peers.waitingFor()
			r.offer(t)
			for i := range r.running {
				eventually(t, "dmarc_up is 0", func() bool { return strings.Contains(r.metrics(i), "\ndmarc_up 0\n") })
			}
			time.Sleep(away)
			if got := r.counts(); got != before {
				t.Errorf("while the database is away they expose\n%swant\n%s", got, before)
			}
			if got := r.peers.waitingFor(); got < open+batch {
				t.Errorf("%d reports were acknowledged while the database was away", open+batch-got)
			}
			if got := r.waiting(t); got < 3*batch/2 {
				t.Errorf("%d inputs wait while the database is away, want %d", got, 3*batch/2)
			}
			proxy.SetMode(t, realtest.Pass)
		},
	}
	order := slices.Concat(slices.Repeat([]string{"kill"}, kills), slices.Repeat([]string{"crash"}, restarts),
		slices.Repeat([]string{"connections end"}, 1+kills/10), []string{"away"})
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, name := range order {
		r.ready(t)
		r.leader(t)
		r.offer(t)
		events[name]()
	}
	r.ready(t)
	r.hold(t, k)
	t.Logf("%d events, %d of them kills, %+v offered, the longest time without a leader %s", len(order), kills, r.offered(), longest.Round(time.Millisecond))
}

// TestReplicasControl lets two exporters read one directory without recognising
// what the other one has counted: the test notices.
func TestReplicasControl(t *testing.T) {
	t.Parallel()
	server := realtest.Postgres(t)
	server.CreateDatabase(t, "replicas", "")
	k := ingesttest.Kill{Database: fmt.Sprintf("postgres:///replicas?host=%s&port=%d&user=postgres", server.Dir, server.Port)}
	dir := t.TempDir()
	const files = 5
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.xml", i)), ingesttest.Report(fmt.Sprint("f", i), 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := realtest.Linked(t, noDedupe)
	for range 2 {
		realtest.Start(t, exec.Command(binary, "serve", k.StateFlag(), "--state.shared", "--source.dir="+dir, "--source.after=keep", "--log.level=error"))
	}
	eventually(t, "all counted twice", func() bool {
		rows := server.SQL(t, "replicas", "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'dmarc' AND table_name = 'reports'")
		if rows[0][0] != "1" {
			return false
		}
		return server.SQL(t, "replicas", "SELECT count(*) FROM dmarc.reports")[0][0] == fmt.Sprint(2*files)
	})
}
