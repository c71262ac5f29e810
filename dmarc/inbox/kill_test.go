package inbox_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("INBOX_TEST_CHILD"); mode != "" {
		log.Fatal(child(mode, os.Getenv("INBOX_TEST_DIR")))
	}
	os.Exit(m.Run())
}

// The modes of the child: mails that move, files that stay, and a mistake.
const (
	modeMove     = "move"
	modeKeep     = "keep"
	modeTooEarly = "acknowledge before the report is kept"
)

// child hands the reports of a folder to a handler that writes their ids to a file.
func child(mode, dir string) error {
	c := inbox.FileConfig{After: inbox.Move, Poll: poll, Settle: time.Millisecond}
	var o inbox.Options
	if mode == modeKeep {
		c.After = inbox.Keep
		marks, err := inbox.OpenMarks(filepath.Join(dir, "marks"))
		if err != nil {
			return err
		}
		o.Marks = marks
	}
	source, err := inbox.Dir(filepath.Join(dir, "in"), c)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(dir, "out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return inbox.Watch(context.Background(), func(_ context.Context, m *inbox.Message) error {
		return reports.Read(m.Body, func(r *reports.Report) error {
			if mode == modeTooEarly {
				return nil
			}
			if _, err := fmt.Fprintln(out, r.Aggregate.Metadata.ReportID); err != nil {
				return err
			}
			return out.Sync()
		})
	}, o, source)
}

// TestKill kills a program with SIGKILL at random moments: no report is lost, and
// one of each kill at most is handed out twice.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	const kills, each = 6, 10
	for _, mode := range []string{modeMove, modeKeep} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			k := newKill(t, mode)
			random := rand.New(rand.NewPCG(1, kills))
			for n := range kills {
				for i := range each {
					id := fmt.Sprint(n*each + i)
					put(t, filepath.Join(k.dir, "in"), id+".xml", ingesttest.Report(id, 1))
				}
				stop := k.start(t)
				time.Sleep(time.Duration(random.Int64N(int64(300 * time.Millisecond))))
				stop()
			}
			stop := k.start(t)
			realtest.Eventually(t, "all reports", func() bool { distinct, _ := k.handedOut(t); return distinct == kills*each })
			stop()
			if distinct, all := k.handedOut(t); all-distinct > kills {
				t.Errorf("%d of %d reports were handed out again by %d kills", all-distinct, distinct, kills)
			}
		})
	}
	t.Run(modeTooEarly, func(t *testing.T) {
		t.Parallel()
		k := newKill(t, modeTooEarly)
		put(t, filepath.Join(k.dir, "in"), "0.xml", ingesttest.Report("0", 1))
		stop := k.start(t)
		realtest.Eventually(t, "the acknowledgement", func() bool { return count(t, filepath.Join(k.dir, "in", "done", "*")) == 1 })
		stop()
		if distinct, _ := k.handedOut(t); distinct != 0 {
			t.Error("the mistake was not found")
		}
	})
}

type kill struct{ mode, dir string }

func newKill(t *testing.T, mode string) *kill {
	t.Helper()
	k := &kill{mode: mode, dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(k.dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	return k
}

// start starts the child and returns what kills it.
func (k *kill) start(t *testing.T) (stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "INBOX_TEST_CHILD="+k.mode, "INBOX_TEST_DIR="+k.dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// handedOut returns how many reports were handed out, and how often in all.
func (k *kill) handedOut(t *testing.T) (distinct, all int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, "out"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		seen[line] = true
		all++
	}
	return len(seen), all
}
