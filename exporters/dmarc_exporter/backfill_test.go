package main

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	var stdout, stderr bytes.Buffer
	args := []string{"backfill", "--settled=0s", "--label=job=dmarc", "--label=instance=mail:9797"}
	if code := run(append(args, sampleDir), nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if !strings.Contains(stderr.String(), "damaged.example") {
		t.Errorf("stderr %q does not tell of the damaged sample", stderr.String())
	}
	if !strings.HasSuffix(stdout.String(), "\n# EOF\n") {
		t.Error("no # EOF at the end")
	}
	state := filepath.Join(t.TempDir(), "s.db")
	var kept bytes.Buffer
	run([]string{"store", "import", "--state.file=" + state, "--state.horizon=36500d", sampleDir}, nil, &kept, &stderr) // one sample is damaged
	kept.Reset()
	if code := run(append(args, "--state.file="+state), nil, &kept, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if got, want := keptHistory(kept.String()), keptHistory(stdout.String()); got != want {
		t.Errorf("the history of the database is another one: %d bytes, want %d", len(got), len(want))
	}
	programs := realtest.Need(t, "promtool", "prometheus")
	dir := t.TempDir()
	file, data, config := filepath.Join(dir, "history.txt"), filepath.Join(dir, "data"), filepath.Join(dir, "prometheus.yml")
	for path, content := range map[string][]byte{file: stdout.Bytes(), config: nil} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
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

// keptHistory leaves out what a database does not keep: warnings, and copies.
func keptHistory(history string) string {
	var lines []string
	for line := range strings.Lines(history) {
		if !strings.Contains(line, "dmarc_report_warnings") && !strings.Contains(line, `result="duplicate"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
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
