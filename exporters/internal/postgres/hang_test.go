package postgres

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// testHang drives the whole program against a server that hangs: with 50
// scrapes at once, all of them are answered in time, and nothing is left behind.
func testHang(t *testing.T, server *realtest.PostgresServer) {
	proxy := realtest.NewFaultProxy(t, "tcp", server.Addr())
	addr := realtest.FreeAddress(t)
	cmd := exec.Command(name, "--web.listen-address="+addr)
	cmd.Env = append(os.Environ(), "DATA_SOURCE_NAME="+server.DSNVia(proxy.Addr(), "postgres"))
	p := realtest.Start(t, cmd)
	p.WaitFor(t, realtest.Dial("tcp", addr))
	url := "http://" + addr + "/metrics"
	before := openFiles(t, p.Pid())

	crowd(t, url, "pg_up 1", 30)
	proxy.SetMode(t, realtest.Hang)
	for range 2 {
		crowd(t, url, "pg_up 0", hangSeconds)
	}
	if n := proxy.Open(); n > 3 {
		t.Logf("the proxy holds %d connections, closed ones among them", n)
	}
	realtest.Eventually(t, "as many open files as before", func() bool { return openFiles(t, p.Pid()) <= before+5 })
	proxy.SetMode(t, realtest.Pass)
	if _, body, _ := timedScrape(t, url, 30); !strings.Contains(body, "\npg_up 1\n") {
		t.Error("not up after the hang")
	}
	if strings.Contains(p.Output(), realtest.PostgresPassword) {
		t.Error("the password is in the log")
	}
}

// hangSeconds is the timeout that scrapes of a server that hangs tell.
const hangSeconds = 2

// crowd scrapes 50 times at once and wants a text in every page, and an answer
// before the timeout of the scrape.
func crowd(t *testing.T, url, want string, seconds int) {
	t.Helper()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			status, body, took := timedScrape(t, url, seconds)
			if status != http.StatusOK || !strings.Contains(body, "\n"+want+"\n") {
				t.Errorf("status %d, %q is not in %d bytes", status, want, len(body))
			}
			if took > time.Duration(seconds)*time.Second+slack {
				t.Errorf("took %v", took)
			}
		})
	}
	wg.Wait()
}

// slack is what a busy machine with the race detector may add to an answer,
// which otherwise leaves 250 ms before the timeout: what hangs here hangs for ever.
const slack = realtest.Patience / 2

func timedScrape(t *testing.T, url string, seconds int) (status int, body string, took time.Duration) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return 0, "", 0
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", fmt.Sprint(seconds))
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, "", 0
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(text), time.Since(began)
}

// openFiles returns how many files a process has open.
func openFiles(t *testing.T, pid int) int {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Skip(err)
	}
	return len(entries)
}
