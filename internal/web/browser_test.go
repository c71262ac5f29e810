package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// browser is a chromium that is talked to in its DevTools protocol.
type browser struct {
	t        *testing.T
	to       *os.File
	from     *bufio.Reader
	session  string
	last     int
	loaded   bool
	problems []string // what its console says
}

// startBrowser starts chromium, or skips the test when there is none.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	theirs, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), realtest.Patience)
	dir := t.TempDir()
	cmd := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe", "--user-data-dir="+filepath.Join(dir, "profile"))
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.ExtraFiles = []*os.File{theirs, ours} // 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	ours.Close()
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	t.Cleanup(func() {
		b.session = ""
		b.call("Browser.close", nil, nil)
		_ = cmd.Wait() // It was told to end.
		cancel()
		to.Close()
		from.Close()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Log", "Runtime"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// message is one of either side.
type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
}

// call calls a method and waits for its result.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.last++
	raw, err := json.Marshal(params)
	if err != nil {
		b.t.Fatal(err)
	}
	m := message{ID: b.last, SessionID: b.session, Method: method}
	if params != nil {
		m.Params = raw
	}
	text, err := json.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	for {
		answer := b.read()
		if answer.ID != b.last {
			continue
		}
		if answer.Error != nil {
			b.t.Fatalf("%s: %s", method, answer.Error)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
		return
	}
}

// read reads what the browser tells next.
func (b *browser) read() (m message) {
	b.t.Helper()
	text, err := b.from.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("the browser is gone: %v", err)
	}
	if err := json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m); err != nil {
		b.t.Fatal(err)
	}
	switch m.Method {
	case "Page.loadEventFired":
		b.loaded = true
	case "Log.entryAdded", "Runtime.exceptionThrown":
		b.problems = append(b.problems, string(m.Params))
	}
	return m
}

// open opens an address, or with none follows what act does.
func (b *browser) open(address string, act func()) {
	b.t.Helper()
	b.loaded = false
	if act != nil {
		act()
	} else {
		b.call("Page.navigate", map[string]any{"url": address}, nil)
	}
	for !b.loaded {
		b.read()
	}
}

// evaluate returns what an expression, or its promise, comes to.
func (b *browser) evaluate(expression string, to any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, answer.ExceptionDetails)
	}
	if to != nil {
		if err := json.Unmarshal(answer.Result.Value, to); err != nil {
			b.t.Fatalf("%s: %s: %v", expression, answer.Result.Value, err)
		}
	}
}

// click follows the first link of a selector whose text holds a text.
func (b *browser) click(selector, text string) {
	b.t.Helper()
	b.open("", func() {
		var found bool
		b.evaluate(fmt.Sprintf(`(() => { const a = [...document.querySelectorAll(%q)].find(a => a.textContent.includes(%q)); if (a) a.click(); return !!a })()`, selector, text), &found)
		if !found {
			b.t.Fatalf("no %s holds %q on the page\n%s", selector, text, b.text())
		}
	})
}

// text returns the text of the page, as it is seen.
func (b *browser) text() (text string) {
	b.evaluate("document.body.innerText", &text)
	return text
}

// look sets the size and the colours of the window.
func (b *browser) look(width int, scheme string) {
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// faint returns texts whose contrast is less than WCAG AA wants, and what makes
// the page wider than the window.
const faint = `(() => {
	const rgba = c => { const m = c.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m };
	const light = c => { const f = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * f[0] + .7152 * f[1] + .0722 * f[2] };
	const paper = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 0) return c } return [255, 255, 255, 1] };
	const all = [];
	for (const e of document.body.querySelectorAll('*')) {
		if (e.closest('svg') || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
		const a = light(rgba(getComputedStyle(e).color)), b = light(paper(e));
		if ((Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5) all.push(e.tagName + ' ' + e.textContent.trim().slice(0, 40));
	}
	const root = document.scrollingElement;
	if (root.scrollWidth > root.clientWidth) all.push('the page is ' + root.scrollWidth + ' wide');
	return all;
})()`

// TestBrowser walks from the overview to a failing source and to its report, and
// looks at every page on the way in narrow and wide windows, light and dark.
// With PAGES_IMAGES, images of them are written there.
func TestBrowser(t *testing.T) {
	b := startBrowser(t)
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	server := httptest.NewServer(w.mux)
	defer server.Close()
	images := os.Getenv("PAGES_IMAGES")
	see := func(name string, want ...string) {
		t.Helper()
		for _, text := range want {
			if got := b.text(); !strings.Contains(got, text) {
				t.Errorf("%s lacks %q:\n%s", name, text, got)
			}
		}
		for _, width := range []int{360, 1600} {
			for _, scheme := range []string{"light", "dark"} {
				b.look(width, scheme)
				var wrong []string
				b.evaluate(faint, &wrong)
				if len(wrong) > 0 {
					t.Errorf("%s, %d pixels, %s: %q", name, width, scheme, wrong)
				}
				if images != "" {
					b.image(filepath.Join(images, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)))
				}
			}
		}
	}
	b.open(server.URL+"/", nil)
	see("overview", "shop.example", "Where reports come from", "/metrics")
	b.click("tbody th a", "shop.example")
	see("domain", "Readiness for a stricter policy", "192.0.2.2", "Example Mail")
	b.click("#sources ~ * tbody th a", "192.0.2.2")
	see("source", "DKIM domains and selectors", "s1")
	b.click("#records ~ * tbody td a", "open")
	see("report", "Warnings", "192.0.2.2", "RFC 7489")
	for _, page := range []string{"Sources", "Reports", "Refused", "TLS", "Failure reports"} {
		b.click("nav a", page)
		see(strings.ReplaceAll(strings.ToLower(page), " ", "-"), page)
	}
	// Without a mouse: the first stop leads past the navigation.
	var first string
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}, nil)
	b.evaluate("document.activeElement.textContent + document.activeElement.getAttribute('href')", &first)
	if first != "Skip to the content#main" {
		t.Errorf("the first stop is %q", first)
	}
	if len(b.problems) > 0 {
		t.Errorf("the console says %s", b.problems)
	}
}

// image writes an image of the whole page.
func (b *browser) image(file string) {
	b.t.Helper()
	var size struct {
		CSSContentSize struct{ Width, Height float64 }
	}
	b.call("Page.getLayoutMetrics", nil, &size)
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{
		"captureBeyondViewport": true, "clip": map[string]any{"x": 0, "y": 0, "width": size.CSSContentSize.Width, "height": size.CSSContentSize.Height, "scale": 1},
	}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
