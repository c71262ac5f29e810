package web

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// violations returns what axe-core finds wrong with the page, by its rule.
const violations = `axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + v.help + ': ' + n.target.join(' ') + ' ' + n.html.slice(0, 200))))`

// TestAccessibility has axe-core look at every page, in narrow and wide windows,
// light and dark: with reports, without any, and at those that say what is wrong.
// It is for a machine with a browser: AXE_CORE names axe.min.js, see make pages-lab.
func TestAccessibility(t *testing.T) {
	file := os.Getenv("AXE_CORE")
	if file == "" {
		t.Skip("AXE_CORE names no axe-core: make pages-lab has one")
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatal(err)
	}
	axe, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b := startBrowser(t)
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	look := func(name, address string) {
		for _, width := range []int{360, 1600} {
			for _, scheme := range []string{"light", "dark"} {
				b.look(width, scheme)
				b.open(address, nil)
				b.evaluate(string(axe)+"; 0", nil)
				var wrong []string
				b.evaluate(violations, &wrong)
				for _, one := range wrong {
					t.Errorf("%s, %d pixels, %s: %s", name, width, scheme, one)
				}
			}
		}
	}
	server := httptest.NewServer(w.mux)
	defer server.Close()
	var control []string
	b.open(server.URL, nil)
	b.evaluate(string(axe)+"; document.querySelector('main').append(new Image()); 0", nil)
	if b.evaluate(violations, &control); !strings.Contains(strings.Join(control, ""), "image-alt: ") {
		t.Fatalf("an image without a text goes unnoticed: %q", control)
	}
	links := map[string]string{}
	crawl(t, w, 3, func(path string, r *httptest.ResponseRecorder, _ []string) {
		if strings.HasPrefix(r.Header().Get("Content-Type"), contentHTML) {
			links[path] = server.URL + path
		}
	})
	for path, address := range links {
		look(path, address)
	}
	if len(links) < 2*len(routes()) {
		t.Errorf("%d pages were looked at", len(links))
	}
	for _, path := range []string{"/sources?page=0", "/report?day=2026-11-04&id=99999", "/reports?page=99", "/domain?name=none.example"} {
		look(path, server.URL+path)
	}
	empty := newWorld(t, sqliteFile(t), store.RecordsAll)
	none := httptest.NewServer(empty.mux)
	defer none.Close()
	for _, r := range routes() {
		look(fmt.Sprintf("/%s without reports", r.name), none.URL+"/"+r.name)
	}
	for _, problem := range b.problems {
		// What the server refuses is told on the console, too.
		if !strings.Contains(problem, "Failed to load resource") {
			t.Errorf("the console says %s", problem)
		}
	}
}
