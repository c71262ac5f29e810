package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestKill kills the exporter at random moments while it reads a directory.
// Everything must be counted exactly once: messages, reports, duplicates and
// refusals. What is counted must be in the archive. KILLS and KILL_INPUTS make it longer; make kill-test does.
func TestKill(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"move", "keep"} {
		t.Run(after, func(t *testing.T) {
			killDir(t, after, ingesttest.Kill{
				State: filepath.Join(t.TempDir(), "state.db"), Kills: realtest.Count(t, "KILLS", 6), Inputs: realtest.Count(t, "KILL_INPUTS", 150),
			})
		})
	}
}

// killDir kills the exporter while it reads a directory, and holds what is in the
// state and in the archive.
func killDir(t *testing.T, after string, k ingesttest.Kill) {
	binary, archive := realtest.Linked(t, "dmarc_exporter"), filepath.Join(t.TempDir(), "records.jsonl")
	k.Dir, k.Longest = t.TempDir(), 200*time.Millisecond
	k.Command = func() *exec.Cmd {
		return exec.Command(binary, "serve", "--source.dir="+k.Dir, "--source.after="+after, k.StateFlag(), "--archive.file="+archive,
			"--web.listen-address=127.0.0.1:0", "--log.level=error")
	}
	start := time.Now()
	want, got := k.Run(t)
	t.Logf("%d kills, %d files in %s: %+v", k.Kills, k.Inputs, time.Since(start).Round(time.Second), got)
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	kept := map[string]int64{}
	text, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
		var l struct {
			ReportID string `json:"report_id"`
			Count    int64  `json:"count"`
		}
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		kept[l.ReportID] = l.Count
	}
	messages := int64(0)
	for _, n := range kept {
		messages += n
	}
	if int64(len(kept)) != got.Counted || messages != got.Messages {
		t.Errorf("%d messages of %d reports are in the archive, want %d of %d", messages, len(kept), got.Messages, got.Counted)
	}
}
