package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestBackfill gives the history of the samples to promtool and asks a
// Prometheus for single days: what it answers must be what the reports of
// these days say, read without any code of this repository.
func TestBackfill(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"backfill", "--settled=0s", sampleDir}, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if !strings.Contains(stderr.String(), "damaged.example") {
		t.Errorf("stderr %q does not tell of the damaged sample", stderr.String())
	}
	if !strings.HasSuffix(stdout.String(), "\n# EOF\n") {
		t.Error("no # EOF at the end")
	}
	programs := realtest.Need(t, "promtool", "prometheus")
	dir := t.TempDir()
	file, data, config := filepath.Join(dir, "history.txt"), filepath.Join(dir, "data"), filepath.Join(dir, "prometheus.yml")
	for path, content := range map[string][]byte{file: stdout.Bytes(), config: nil} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(programs["promtool"], "tsdb", "create-blocks-from", "openmetrics", file, data).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	address := fmt.Sprintf("127.0.0.1:%d", realtest.FreePort(t))
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
	total := 0.0
	for d := sampleFirst; !d.After(sampleLast); d = d.AddDate(0, 0, 1) {
		end := d.AddDate(0, 0, 1).Add(-time.Second)
		want := messagesOn(t, end)
		total += want
		day := `sum(dmarc_messages_total) - sum(dmarc_messages_total offset 1d)`
		if d.Equal(sampleFirst) {
			day = `sum(dmarc_messages_total)`
		}
		// A counter that began today has no yesterday in this difference, unless it is 0 there.
		if got := query(t, address, day, end); got != want {
			t.Errorf("%s: %v messages, want %v", d.Format(time.DateOnly), got, want)
		}
	}
	if got := query(t, address, `sum(dmarc_messages_total)`, sampleLast.AddDate(0, 0, 1).Add(-time.Second)); got != total {
		t.Errorf("%v messages in all, want %v", got, total)
	}
}

// messagesOn sums the messages of the sample reports that ended at a moment.
func messagesOn(t *testing.T, end time.Time) float64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sampleDir, fmt.Sprintf("*!%d.*", end.Unix())))
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, file := range files {
		for name, n := range independentSums(t, file) {
			if strings.HasPrefix(name, "dmarc_messages_total") {
				sum += n
			}
		}
	}
	return sum
}

// query asks Prometheus for one number at one time.
func query(t *testing.T, address, expression string, at time.Time) float64 {
	t.Helper()
	resp, err := http.Get("http://" + address + "/api/v1/query?" + url.Values{
		"query": {expression}, "time": {fmt.Sprint(at.Unix())},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Data.Result) != 1 {
		t.Fatalf("%s at %s: %d results, want 1", expression, at, len(answer.Data.Result))
	}
	var value float64
	if _, err := fmt.Sscan(fmt.Sprint(answer.Data.Result[0].Value[1]), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestBackfillSettled leaves out days that are not over for long enough.
func TestBackfillSettled(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"backfill", "--settled=36500d", sampleDir}, nil, &stdout, &stderr); code != exitOK || stdout.String() != "# EOF\n" {
		t.Errorf("exit code %d, output %q, want nothing but the end", code, stdout.String())
	}
	if code := run([]string{"backfill", "-"}, nil, &stdout, &stderr); code != exitRefused {
		t.Errorf("exit code %d for the standard input, want %d", code, exitRefused)
	}
}
