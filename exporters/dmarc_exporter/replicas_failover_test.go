package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestReplicasFailover loses the primary of a database while its standby lags
// behind, and promotes the standby. With synchronous replication nothing is lost
// that was acknowledged. With asynchronous replication that is lost which was
// committed meanwhile and then sent away, moved or deleted: what is kept where it
// was is counted again. Nothing is counted twice.
func TestReplicasFailover(t *testing.T) {
	t.Parallel()
	for range realtest.Count(t, "REPLICA_FAILOVERS", 1) {
		for name, synchronous := range map[string]bool{"synchronous": true, "asynchronous": false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				failover(t, synchronous)
			})
		}
	}
}

func failover(t *testing.T, synchronous bool) {
	primary := realtest.Postgres(t)
	primary.CreateDatabase(t, "replicas", "")
	link := realtest.NewFaultProxy(t, "tcp", primary.Addr())
	standby := primary.Standby(t, link.Addr())
	eventually(t, "the standby follows", func() bool {
		return primary.SQL(t, "postgres", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")[0][0] == "1"
	})
	if synchronous {
		primary.SQL(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
		primary.SQL(t, "postgres", "SELECT pg_reload_conf()")
		eventually(t, "commits wait for the standby", func() bool {
			return primary.SQL(t, "postgres", "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")[0][0] == "1"
		})
	}
	k := ingesttest.Kill{Database: fmt.Sprintf("postgres:///replicas?user=postgres&host=%s,%s&port=%d,%d&target_session_attrs=read-write", primary.Dir, standby.Dir, primary.Port, standby.Port)}
	r := newReplicas(t, k, 2, newSources(t, "keep"))
	r.ready(t)
	r.leader(t)
	files := func() int {
		found, err := filepath.Glob(filepath.Join(r.dir, "*.xml"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	// Files stay where they are, and so it takes the counts to see that they were read.
	read := func(server *realtest.PostgresServer, more int) {
		t.Helper()
		eventually(t, "the files are counted", func() bool {
			rows := server.SQL(t, "replicas", "SELECT count(*) FROM dmarc.reports WHERE report_id LIKE 'f%'")
			return rows[0][0] == fmt.Sprint(files()-more)
		})
	}
	before := func() int64 { return int64(r.peers.offered) }
	r.offer(t)
	eventually(t, "everything confirmed", r.peers.idle)
	read(primary, 0)
	eventually(t, "the standby has all of it", func() bool {
		return primary.SQL(t, "postgres", "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()")[0][0] == "1"
	})
	safe := before()

	link.SetMode(t, realtest.Hang)
	r.offer(t)
	if synchronous {
		eventually(t, "commits that wait for the standby", func() bool {
			return primary.SQL(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")[0][0] != "0"
		})
		if got := r.peers.waitingFor(); got != batch {
			t.Errorf("%d reports wait for the standby, want %d", got, batch)
		}
	} else {
		eventually(t, "everything confirmed", r.peers.idle)
		read(primary, 0)
	}
	primary.Crash()
	link.SetMode(t, realtest.Refuse)
	standby.SQL(t, "postgres", "SELECT pg_promote()")
	r.ready(t)
	r.leader(t)
	lagged := before()
	r.offer(t)
	eventually(t, "everything confirmed", r.peers.idle)
	read(standby, 0)
	eventually(t, "mailbox and bucket are empty", func() bool { return r.waiting(t) == files() })
	for i := range r.running {
		r.running[i].Kill()
	}
	store := k.Open(t)
	defer store.Close()
	counted := ingesttest.Sum(store, tally.Reports, string(tally.OutcomeCounted))
	all := r.offered()
	lost := all.reports - counted
	t.Logf("%d reports of %d are lost; %d came by HTTP and LMTP while the standby lagged", lost, all.reports, lagged-safe)
	if synchronous && lost != 0 {
		t.Errorf("%d reports are lost, want none", lost)
	}
	// Of the mailbox and the bucket nothing is kept either: mails are moved, objects deleted.
	if most := lagged - safe + 2*batch/2; !synchronous && (lost <= 0 || lost > most) {
		t.Errorf("%d reports are lost, want some, and at most %d", lost, most)
	}
	if got := ingesttest.Sum(store, tally.Messages); synchronous && got != all.messages || got > all.messages {
		t.Errorf("%d messages, want %d", got, all.messages)
	}
	if rows := standby.SQL(t, "replicas", "SELECT count(*) - count(DISTINCT report_id) FROM dmarc.reports"); rows[0][0] != "0" {
		t.Errorf("%s reports are kept twice", rows[0][0])
	}
}
