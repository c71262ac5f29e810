package exporter

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// atomicFloat is a number that a reload replaces.
type atomicFloat struct{ bits atomic.Uint64 }

func (a *atomicFloat) load() float64 { return math.Float64frombits(a.bits.Load()) }

func (a *atomicFloat) parse(s string) error {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err == nil {
		a.bits.Store(math.Float64bits(v))
	}
	return err
}

// child is an exporter in a process of its own.
type child struct {
	*realtest.Process
	url    string
	config string
}

// startChild starts an exporter and waits until it serves.
func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{config: filepath.Join(t.TempDir(), "config")}
	c.write(t, "1")
	cmd := childCommand(append(args, "--config.file="+c.config)...)
	c.Process = realtest.Start(t, cmd)
	serving := regexp.MustCompile(`url=(\S+)/metrics`)
	c.WaitFor(t, func() error {
		if m := serving.FindStringSubmatch(c.Output()); m != nil {
			c.url = m[1]
			return nil
		}
		return errors.New("no URL in the log")
	})
	return c
}

// childCommand runs this test binary as an exporter.
func childCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	return cmd
}

// write replaces the configuration in one step.
func (c *child) write(t testing.TB, s string) {
	t.Helper()
	if err := os.WriteFile(c.config+".new", []byte(s), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(c.config+".new", c.config); err != nil {
		t.Fatal(err)
	}
}

// wantExit waits for the end of the process.
func (c *child) wantExit(t testing.TB, code int) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(realtest.Patience):
		t.Fatalf("still running after %s:\n%s", realtest.Patience, c.Output())
	}
	if got := c.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d:\n%s", got, code, c.Output())
	}
}

func TestRoutes(t *testing.T) {
	c := startChild(t, "--web.enable-lifecycle")
	tests := []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/", 200, "test_exporter"},
		{"GET", "/", 200, "metrics"},
		{"GET", "/metrics", 200, "test_config 1\n"},
		{"GET", "/-/healthy", 200, "OK\n"},
		{"GET", "/-/ready", 200, "OK\n"},
		{"GET", "/-/reload", 405, ""},
		{"POST", "/-/reload", 200, "OK\n"},
		{"GET", "/debug/pprof/", 404, ""},
		{"GET", "/nothing", 404, ""},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			a := do(t, test.method, c.url+test.path)
			if a.status != test.status || !strings.Contains(a.body, test.body) {
				t.Errorf("got %d %q, want %d with %q", a.status, a.body, test.status, test.body)
			}
		})
	}
}

func do(t testing.TB, method, target string) answer {
	t.Helper()
	req, err := http.NewRequest(method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b strings.Builder
	if err := res.Write(&b); err != nil {
		t.Fatal(err)
	}
	return answer{status: res.StatusCode, body: b.String()}
}

func TestReadyAndPprof(t *testing.T) {
	ready := errors.New("no report was read yet")
	s := optionsServer(t, testFlags(t, "--web.enable-pprof"), Options{Ready: func() error { return ready }})
	if a := get(t, s.URL+"/-/ready"); a.status != http.StatusServiceUnavailable || a.body != ready.Error()+"\n" {
		t.Errorf("got %d %q, want 503 with the reason", a.status, a.body)
	}
	ready = nil
	if a := get(t, s.URL+"/-/ready"); a.status != http.StatusOK {
		t.Errorf("got %d, want 200", a.status)
	}
	for path, status := range map[string]int{
		"goroutine?debug=1": http.StatusOK, "heap": http.StatusOK, "profile?seconds=0.05": http.StatusOK, "cmdline": http.StatusNotFound,
	} {
		if a := get(t, s.URL+"/debug/pprof/"+path); a.status != status || a.body == "" {
			t.Errorf("%s: got %d and %d bytes, want %d", path, a.status, len(a.body), status)
		}
	}
}

func TestBadTelemetryPath(t *testing.T) {
	for _, path := range []string{"metrics", "/-/healthy", "/{", ""} {
		err := Serve(context.Background(), testFlags(t, "--web.telemetry-path="+path), Options{})
		if err == nil || !strings.Contains(err.Error(), "route "+path) {
			t.Errorf("path %q: got error %v, want one that names it", path, err)
		}
	}
}

func TestReloadKeepsLastGood(t *testing.T) {
	c := startChild(t, "--web.enable-lifecycle")
	c.write(t, "2")
	if err := c.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	realtest.Eventually(t, "SIGHUP reloads", func() bool { return strings.Contains(get(t, c.url+"/metrics").body, "\ntest_config 2\n") })
	get(t, c.url+"/metrics").wantLines(t, "test_exporter_config_last_reload_successful 1")

	c.write(t, "three")
	if a := do(t, "POST", c.url+"/-/reload"); a.status != http.StatusInternalServerError || !strings.Contains(a.body, `parsing "three"`) {
		t.Errorf("got %d %q, want 500 with the reason", a.status, a.body)
	}
	get(t, c.url+"/metrics").wantLines(t, "test_config 2", "test_exporter_config_last_reload_successful 0")
	if !strings.Contains(c.Output(), "the old configuration stays in force") {
		t.Errorf("the log does not tell:\n%s", c.Output())
	}
}

func TestReloadUnderLoad(t *testing.T) {
	c := startChild(t, "--web.enable-lifecycle")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var scrapes, failures atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				a, err := fetch(context.Background(), c.url+"/metrics")
				scrapes.Add(1)
				if err != nil || a.status != http.StatusOK || filter(a.body, "test_config ") == "" {
					failures.Add(1)
				}
			}
		})
	}
	// At least 100 of both, however slow the machine is: scrapes go on while there are reloads.
	reloads := 0
	for ; reloads < 100 || scrapes.Load() < 100; reloads++ {
		if reloads%10 == 9 {
			c.write(t, "broken")
		} else {
			c.write(t, strconv.Itoa(reloads))
		}
		if reloads%2 == 0 {
			if err := c.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			continue
		}
		do(t, "POST", c.url+"/-/reload")
	}
	cancel()
	wg.Wait()
	if failures.Load() > 0 || scrapes.Load() < 100 {
		t.Errorf("%d of %d scrapes failed during %d reloads", failures.Load(), scrapes.Load(), reloads)
	}
}

func TestReloadWithNothingToReload(t *testing.T) {
	s := optionsServer(t, testFlags(t, "--web.enable-lifecycle"), Options{
		Collectors: func(url.Values) ([]ContextCollector, error) { return nil, nil },
	})
	if a := do(t, "POST", s.URL+"/-/reload"); a.status != http.StatusOK {
		t.Errorf("got %d, want 200", a.status)
	}
	if a := get(t, s.URL+"/metrics"); strings.Contains(a.body, "config_last_reload") {
		t.Error("there are reload metrics although there is nothing to reload")
	}
}

func TestStop(t *testing.T) {
	t.Run("signal", func(t *testing.T) {
		c := startChild(t)
		if err := c.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		c.wantExit(t, 0)
		if !strings.Contains(c.Output(), "background ended") {
			t.Errorf("the work in the background was not waited for:\n%s", c.Output())
		}
	})
	t.Run("second signal", func(t *testing.T) {
		c := startChild(t, "--test.background=stubborn")
		if err := c.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		c.WaitFor(t, func() error {
			if !strings.Contains(c.Output(), "msg=stopping") {
				return errors.New("first signal not seen")
			}
			return nil
		})
		realtest.Eventually(t, "the second signal ends the process", func() bool {
			_ = c.Signal(syscall.SIGTERM)
			select {
			case <-c.Done():
				return true
			default:
				return false
			}
		})
		c.wantExit(t, -1)
	})
	t.Run("background fails", func(t *testing.T) {
		c := startChild(t, "--test.background=fails")
		c.wantExit(t, 1)
		if !strings.Contains(c.Output(), "the sky is falling") {
			t.Errorf("the log does not tell why:\n%s", c.Output())
		}
	})
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := testFlags(t, "--web.listen-address="+l.Addr().String())
	started := false
	err = Serve(context.Background(), f, Options{Background: func(context.Context) error {
		started = true
		return nil
	}})
	want := fmt.Sprintf("serve: listen tcp %s: bind: address already in use", l.Addr())
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if started {
		t.Error("the work in the background was begun")
	}
}

func TestWebConfig(t *testing.T) {
	c := startChild(t, "--web.config.file="+writeWebConfig(t))
	if !strings.HasPrefix(c.url, "https://") {
		t.Fatalf("got URL %s, want https", c.url)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for _, test := range []struct {
		password string
		status   int
	}{{"", 401}, {"wrong", 401}, {"secret", 200}} {
		req, err := http.NewRequest(http.MethodGet, c.url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.password != "" {
			req.SetBasicAuth("alice", test.password)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != test.status {
			t.Errorf("password %q: got %d, want %d", test.password, res.StatusCode, test.status)
		}
	}
}

func TestBadWebConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	for text, want := range map[string]string{
		"tls_server_config:\n  cert_file: missing.pem\n  key_file: missing.key\n": "missing.pem",
		"basic_auth_users: {alice: secret}\n":                                     "not a bcrypt hash",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := Serve(context.Background(), testFlags(t, "--web.config.file="+file), Options{})
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that names the file and %q", err, want)
		}
	}
}

// TestWebConfigHidesValues holds that a password in the wrong place of the
// toolkit's file is in no error and in no line of the log.
func TestWebConfigHidesValues(t *testing.T) {
	for _, text := range []string{
		"basic_auth_users: hunter2\n", "basic_auth_users: {alice: [hunter2]}\n", "basic_auth_users: |\n  hunter2\n  hunter2\n",
		"tls_server_config: hunter2\n", "http_server_config: {http2: hunter2}\n", "basic_auth_users: *hunter2\n", "users: hunter2\n",
	} {
		file := filepath.Join(t.TempDir(), "web.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f := testFlags(t, "--web.config.file="+file)
		err := Serve(t.Context(), f, Options{})
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Fatalf("%q: got error %v, want one that names the file", text, err)
		}
		var log bytes.Buffer
		f.Logger(&log).Error("Unable to parse configuration", "err", web.Validate(file))
		for _, told := range []string{err.Error(), log.String()} {
			if strings.Contains(told, "hunter2") || strings.Contains(told, "web.") && !strings.Contains(told, "web.yml") || strings.Contains(told, "!!") {
				t.Errorf("%q: %q shows a value or a type", text, told)
			}
		}
	}
}

func TestSystemdSocket(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs sh")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	l.Close()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("5"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := childCommand()
	cmd.Path, cmd.Args = sh, []string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --web.systemd-socket --config.file="$1"`, os.Args[0], config}
	cmd.ExtraFiles = []*os.File{socket}
	p := realtest.Start(t, cmd)
	socket.Close()
	p.WaitFor(t, realtest.Dial("tcp", l.Addr().String()))
	get(t, "http://"+l.Addr().String()+"/metrics").wantLines(t, "test_config 5")
}

func TestSlowClientIsDropped(t *testing.T) {
	server := newServer(http.NotFoundHandler())
	if server.ReadHeaderTimeout <= 0 || server.IdleTimeout <= 0 {
		t.Fatalf("no limits: %+v", server)
	}
	server.ReadHeaderTimeout = 50 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost:")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for buf := make([]byte, 1024); ; {
		if _, err := conn.Read(buf); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a client that never ends its request is kept")
		} else if err != nil {
			return
		}
	}
}
