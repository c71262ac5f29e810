package nginx

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestKill kills the exporter at random moments while a log is written and
// rotated. In the end every line is counted once, and no scrape ever showed
// more than a later one: Prometheus never sees a reset. NGINX_KILLS makes it
// longer; make kill-test does.
func TestKill(t *testing.T) {
	const perKill = 400
	t.Parallel()
	kills := realtest.Count(t, "NGINX_KILLS", 4)
	dir, binary := t.TempDir(), realtest.Linked(t, "nginx_exporter")
	logFile := filepath.Join(dir, "access.log")
	config := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("access_log:\n  inputs: [{file: %s}]\n  from_start: true\n  state_file: %s/state.json\n", logFile, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := realtest.FreeAddress(t)
	startExporter := func() *realtest.Process {
		p := realtest.Start(t, exec.Command(binary, "--web.listen-address="+address, "--config.file="+config))
		p.WaitFor(t, realtest.Dial("tcp", address))
		return p
	}
	written, last := 0, 0
	for kill := range kills {
		p := startExporter()
		deadline := time.Now().Add(time.Duration(rand.IntN(1500)) * time.Millisecond)
		for i := 0; i < perKill || time.Now().Before(deadline); i++ {
			writeLine(t, logFile, written)
			written++
			if i%100 == 0 {
				if got := counted(t, address); got < last {
					t.Fatalf("a scrape shows %d requests, an earlier one showed %d", got, last)
				} else {
					last = got
				}
			}
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		if kill%3 == 1 {
			if err := os.Rename(logFile, fmt.Sprintf("%s.%d", logFile, kill)); err != nil {
				t.Fatal(err)
			}
		}
		p.Kill()
	}
	p := startExporter()
	defer p.Stop()
	realtest.Eventually(t, fmt.Sprintf("%d requests counted", written), func() bool {
		got := counted(t, address)
		if got > written {
			t.Fatalf("%d requests counted, %d lines were written", got, written)
		}
		return got == written
	})
}

func writeLine(t *testing.T, path string, n int) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "m=GET s=200 rt=0.012 ut=0.010 us=200 c=- b=%d rl=90 h=shop.example r=/api\n", n); err != nil {
		t.Fatal(err)
	}
}

// counted returns the requests that a scrape shows.
func counted(t *testing.T, address string) int {
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	sum := 0
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, "nginx_access_requests_total{") {
			n, err := strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return sum
}
