package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestBackfill gives the history of the samples to promtool and asks a
// Prometheus for single days: what it answers must be what the reports of
// these days say, read without any code of this repository. It is the same from
// files and from a database.
func TestBackfill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"backfill", "--settled=0s", "--label=job=dmarc", "--label=instance=mail:9797"}
	file := filepath.Join(dir, "history.txt")
	if stderr := writeHistory(t, file, append(args, sampleDir)); !strings.Contains(stderr, "damaged.example") {
		t.Errorf("stderr %q does not name the damaged sample", stderr)
	}
	state, kept := filepath.Join(dir, "s.db"), filepath.Join(dir, "kept.txt")
	run([]string{"store", "import", "--state.file=" + state, "--state.horizon=36500d", sampleDir}, nil, io.Discard, io.Discard) // one sample is damaged
	writeHistory(t, kept, append(args, "--state.file="+state))
	sameHistory(t, kept, file)
	programs := realtest.Need(t, "promtool", "prometheus")
	data, config := filepath.Join(dir, "data"), filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(programs["promtool"], "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=162h", file, data).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	address := realtest.FreeAddress(t)
	server := realtest.Start(t, exec.Command(programs["prometheus"], "--config.file="+config, "--storage.tsdb.path="+data,
		"--storage.tsdb.retention.time=100y", "--web.listen-address="+address, "--log.level=error"))
	server.WaitFor(t, func() error {
		resp, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	})
	for d := sampleFirst; !d.After(sampleLast.AddDate(0, 0, 1)); d = d.AddDate(0, 0, 1) {
		for _, at := range []time.Time{d, d.Add(7*time.Hour + 11*time.Minute), d.Add(12 * time.Hour)} {
			if at.After(sampleLast.AddDate(0, 0, 1)) {
				continue // The history is over.
			}
			want := messagesBetween(t, at.AddDate(0, 0, -1), at)
			got := 0.0
			if want > 0 {
				got = query(t, address, `sum(increase(dmarc_messages_total{job="dmarc",instance="mail:9797"}[1d]))`, at)
			}
			if math.Abs(got-want) > want/100 {
				t.Errorf("%s: %.1f messages in a day, want %.1f", at, got, want)
			}
		}
	}
	end := sampleLast.AddDate(0, 0, 1)
	// How reports arrived, and which alerts fired, has no history.
	without := []string{"Firing now", "Refused, by reason", "Duplicates and conflicts", "Authentication of report mails"}
	for _, panel := range panels(t, "$__rate_interval", "1h", "$__interval", "1d", "$__range", "7d") {
		if got := ask(t, address, panel.expr, end.Add(-12*time.Hour)); (len(got) == 0) != slices.Contains(without, panel.title) {
			t.Errorf("the panel %q has %d series in the past: %s", panel.title, len(got), panel.expr)
		}
	}
	if got, want := query(t, address, `sum(dmarc_messages_total)`, end), messagesBetween(t, sampleFirst.AddDate(0, 0, -5), end); math.Abs(got-want) > 0.001 {
		t.Errorf("%v messages in all, want %v", got, want)
	}
}

// writeHistory runs a command that writes a history to a file, and returns what it
// says beside. A history is large: the race detector is slow with large buffers.
func writeHistory(t *testing.T, path string, args []string) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stderr bytes.Buffer
	if code := run(args, nil, f, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	return stderr.String()
}

// sameHistory compares two histories, but for what a database does not keep:
// warnings, and copies.
func sameHistory(t *testing.T, gotPath, wantPath string) {
	t.Helper()
	got, want := openHistory(t, gotPath), openHistory(t, wantPath)
	last := ""
	for {
		g, w := nextKept(got), nextKept(want)
		if !bytes.Equal(g, w) {
			t.Fatalf("after %q the history of the database has %q, want %q", last, g, w)
		}
		if g == nil {
			break
		}
		last = string(g)
	}
	if last != "# EOF" {
		t.Errorf("the history ends with %q, want # EOF", last)
	}
}

func openHistory(t *testing.T, path string) *bufio.Scanner {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return bufio.NewScanner(f)
}

// nextKept returns the next line that a database keeps, nil after the last.
func nextKept(lines *bufio.Scanner) []byte {
	for lines.Scan() {
		line := lines.Bytes()
		if !bytes.Contains(line, []byte("dmarc_report_warnings")) && !bytes.Contains(line, []byte(`result="duplicate"`)) {
			return line
		}
	}
	return nil
}

// messagesBetween sums the messages of the sample reports between two moments,
// as if they were sent evenly over the period of their report.
func messagesBetween(t *testing.T, from, to time.Time) float64 {
	t.Helper()
	sum := 0.0
	for _, r := range samplePeriods(t) {
		if overlap := min(r.end, to.Unix()) - max(r.begin, from.Unix()); overlap > 0 {
			sum += r.messages * float64(overlap) / float64(r.end-r.begin)
		}
	}
	return sum
}

// samplePeriod is a sample report as its name says it.
type samplePeriod struct {
	begin, end int64
	messages   float64
}

// samplePeriods reads the sample reports once.
var samplePeriods = func() func(t *testing.T) []samplePeriod {
	var once sync.Once
	var all []samplePeriod
	return func(t *testing.T) []samplePeriod {
		t.Helper()
		once.Do(func() {
			files, err := filepath.Glob(filepath.Join(sampleDir, "*!*!*!*.*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				var p samplePeriod
				parts := strings.Split(filepath.Base(file), "!")
				if _, err := fmt.Sscan(parts[2], &p.begin); err != nil {
					t.Fatal(err)
				}
				if _, err := fmt.Sscanf(parts[3], "%d", &p.end); err != nil {
					t.Fatal(err)
				}
				p.end++
				for name, n := range independentSums(t, file) {
					if strings.HasPrefix(name, "dmarc_messages_total") {
						p.messages += n
					}
				}
				all = append(all, p)
			}
		})
		return all
	}
}()

// query asks Prometheus for one number at one time.
func query(t *testing.T, address, expression string, at time.Time) float64 {
	t.Helper()
	got := ask(t, address, expression, at)
	if len(got) != 1 {
		t.Fatalf("%s at %s: %d results, want 1", expression, at, len(got))
	}
	return got[0]
}

// ask asks Prometheus for numbers at one time.
func ask(t *testing.T, address, expression string, at time.Time) []float64 {
	t.Helper()
	resp, err := http.Get("http://" + address + "/api/v1/query?" + url.Values{
		"query": {expression}, "time": {fmt.Sprint(at.Unix())},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Error != "" {
		t.Fatalf("%s: %s, %v", expression, answer.Error, err)
	}
	values := make([]float64, len(answer.Data.Result))
	for i, r := range answer.Data.Result {
		if _, err := fmt.Sscan(fmt.Sprint(r.Value[1]), &values[i]); err != nil {
			t.Fatal(err)
		}
	}
	return values
}

// TestBackfillSettled leaves out days that are not over for long enough.
func TestBackfillSettled(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"backfill", "--settled=36500d", sampleDir}, nil, &stdout, &stderr); code != exitOK || stdout.String() != "# EOF\n" {
		t.Errorf("exit code %d, output %q, want nothing but the end", code, stdout.String())
	}
	for _, args := range [][]string{{"-"}, {"--step=7m", sampleDir}, {"--label=domain=x", sampleDir}, {"--label=1=x", sampleDir}, {"--state.file=none.db"}} {
		if code := run(append([]string{"backfill"}, args...), nil, &stdout, &stderr); code != exitRefused {
			t.Errorf("%q: exit code %d, want %d", args, code, exitRefused)
		}
	}
}
