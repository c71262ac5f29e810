package web

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// crawl visits the pages that links lead to, most of a kind, and calls visit with each.
func crawl(t *testing.T, w *world, most int, visit func(path string, r *httptest.ResponseRecorder, links []string)) {
	t.Helper()
	crawlAs(t, w, "", most, visit)
}

// crawlAs is crawl as a user.
func crawlAs(t *testing.T, w *world, user string, most int, visit func(path string, r *httptest.ResponseRecorder, links []string)) {
	t.Helper()
	seen, queue, visited := map[string]bool{"/": true}, []string{"/"}, map[string]int{}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		kind, _, _ := strings.Cut(path, "?")
		if visited[kind]++; visited[kind] > most {
			continue
		}
		r := w.as(user, path)
		var links []string
		if strings.HasPrefix(r.Header().Get("Content-Type"), "text/html") {
			links = linksOf(t, path, r.Body.Bytes())
		}
		visit(path, r, links)
		for _, l := range links {
			if !seen[l] && strings.HasPrefix(l, "/") {
				seen[l] = true
				queue = append(queue, l)
			}
		}
	}
}

// linksOf returns where the links of a page lead to, those of its files included.
func linksOf(t *testing.T, path string, body []byte) (links []string) {
	t.Helper()
	base, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	elements(t, body, func(n *html.Node) {
		to := attribute(n, "href")
		if to == "" {
			return
		}
		u, err := base.Parse(to)
		if err != nil {
			t.Errorf("%s: link %q: %v", path, to, err)
			return
		}
		u.Fragment = ""
		links = append(links, u.String())
	})
	return links
}

// elements calls visit with every element of a page.
func elements(t *testing.T, body []byte, visit func(*html.Node)) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			visit(n)
		}
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// textOf returns the text in an element, without what is said below.
func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode && c.Parent.Data != "small" {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// TestEveryLink follows every link and holds every page to what all must have:
// nothing that runs, whatever reports hold, and what a screen reader needs.
func TestEveryLink(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	visited := map[string]int{}
	crawl(t, w, 12, func(path string, r *httptest.ResponseRecorder, links []string) {
		page, _, _ := strings.Cut(path, "?")
		visited[page]++
		if path == "/metrics" {
			return // is not of this package
		}
		// Of its RFC 7489 pct=100 goes without a word, what is no report id does not.
		if r.Code != http.StatusOK && (page != "/report.xml" || r.Code != http.StatusUnprocessableEntity) {
			t.Errorf("GET %s: %d\n%s", path, r.Code, r.Body)
		}
		h := r.Header()
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self';") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("GET %s: headers %v", path, h)
		}
		if !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
			return
		}
		if r.Body.Len() > 100_000 {
			t.Errorf("GET %s: %d bytes", path, r.Body.Len())
		}
		holdPage(t, path, r.Body.Bytes())
	})
	for _, r := range routes() {
		for _, as := range []form{formHTML, formCSV, formJSON} {
			if page := "/" + r.name + string(as); page != "/overview" && visited[page] == 0 {
				t.Errorf("no link leads to %s", page)
			}
		}
	}
	if visited["/report.xml"] < 8 {
		t.Errorf("%d reports as XML were visited", visited["/report.xml"])
	}
}

// holdPage holds a page to what all must have.
func holdPage(t *testing.T, path string, body []byte) {
	t.Helper()
	count, ids, labels := map[string]int{}, map[string]int{}, map[string]bool{}
	elements(t, body, func(n *html.Node) {
		count[n.Data]++
		if n.Data == "label" {
			labels[attribute(n, "for")] = true
		}
	})
	elements(t, body, func(n *html.Node) {
		if id := attribute(n, "id"); id != "" {
			ids[id]++
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(strings.TrimSpace(strings.ToLower(a.Val)), "javascript:") || a.Key == "src" {
				t.Errorf("%s: <%s %s=%q>", path, n.Data, a.Key, a.Val)
			}
		}
		switch n.Data {
		case "script", "style", "img", "iframe", "object", "embed", "b", "base":
			t.Errorf("%s has <%s>", path, n.Data)
		case "table":
			if c := n.FirstChild; c == nil || c.NextSibling == nil || c.NextSibling.Data != "caption" || textOf(c.NextSibling) == "" {
				t.Errorf("%s: a table without a caption", path)
			}
		case "th":
			if attribute(n, "scope") == "" {
				t.Errorf("%s: <th> %q without a scope", path, textOf(n))
			}
		case "input", "select":
			if attribute(n, "type") != "hidden" && !labels[attribute(n, "id")] {
				t.Errorf("%s: field %q without a label", path, attribute(n, "name"))
			}
		case "svg":
			if attribute(n, "role") != "img" || attribute(n, "aria-label") == "" {
				t.Errorf("%s: a chart without words", path)
			}
		case "a":
			if textOf(n) == "" {
				t.Errorf("%s: the link to %q has no text", path, attribute(n, "href"))
			}
		}
	})
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s: id %q %d times", path, id, n)
		}
	}
	if count["h1"] != 1 || count["main"] != 1 || count["title"] != 1 {
		t.Errorf("%s: %d h1, %d main, %d title, want one of each", path, count["h1"], count["main"], count["title"])
	}
	if bytes.Contains(body, []byte("secret.person")) {
		t.Errorf("%s shows who wrote a mail", path)
	}
}

// TestSameDays goes from a page about many days to others: an address that was seen
// long ago has no records in the usual days.
func TestSameDays(t *testing.T) {
	w := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	const path = "/sources?days=400&failing=1"
	found := map[string]int{}
	for _, l := range linksOf(t, path, []byte(w.read(t, path))) {
		u, err := url.Parse(l)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Has("address") || q.Has("sender") {
			found[u.Path]++
			if q.Get("days") != "400" || q.Has("sender") && q.Get("failing") != "1" {
				t.Errorf("%s leads to %s, about other days", path, l)
			}
		}
	}
	if found["/source"] == 0 || found["/sources"] == 0 {
		t.Errorf("%s leads to %v", path, found)
	}
}
