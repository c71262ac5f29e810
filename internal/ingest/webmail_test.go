package ingest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// mailService is a mailbox that speaks as much of Microsoft Graph and of Gmail
// as the sources need, page by page. Its folders have ids of their own.
type mailService struct {
	*httptest.Server
	mu      sync.Mutex
	folders map[string]string   // id → name
	mails   map[string][]string // folder id → mail ids, in order
	content map[string][]byte
	made    int
	pages   int // that were asked for
	// token is the one that is good.
	token string
	// trouble answers instead, if it returns a status.
	trouble func(r *http.Request) int
}

const pageSize = 2

func newMailService(t testing.TB) *mailService {
	s := &mailService{
		folders: map[string]string{"inbox": "inbox", "INBOX": "INBOX"}, mails: map[string][]string{},
		content: map[string][]byte{}, token: "good",
	}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// offer puts a mail into the inbox of both services.
func (s *mailService) offer(content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	id := fmt.Sprintf("AA%d=", s.made)
	s.content[id] = content
	for _, inbox := range []string{"inbox", "INBOX"} {
		s.mails[inbox] = append(s.mails[inbox], id)
	}
}

// in returns how many mails are in a folder, by its name.
func (s *mailService) in(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for id, have := range s.folders {
		if have == name {
			n += len(s.mails[id])
		}
	}
	return n
}

func (s *mailService) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != nil {
		if status := s.trouble(r); status != 0 {
			w.Header().Set("Retry-After", "0")
			http.Error(w, `{"error":"trouble"}`, status)
			return
		}
	}
	if r.Header.Get("Authorization") != "Bearer "+s.token {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/users/reports@example.com/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	parts := strings.Split(path, "/")
	last := parts[len(parts)-1]
	var answer any
	switch {
	case parts[0] == "mailFolders" && last == "messages":
		answer = s.page(r, parts[1], "value", func(next int) (string, any) {
			return "@odata.nextLink", fmt.Sprintf("%s%s?skip=%d", s.URL, r.URL.Path, next)
		})
	case parts[0] == "mailFolders" && r.Method == http.MethodGet:
		answer = map[string]any{"value": s.find(strings.TrimSuffix(strings.TrimPrefix(r.URL.Query().Get("$filter"), "displayName eq '"), "'"))}
	case path == "messages":
		answer = s.page(r, r.URL.Query().Get("labelIds"), "messages", func(next int) (string, any) { return "nextPageToken", strconv.Itoa(next) })
	case path == "labels" && r.Method == http.MethodGet:
		answer = map[string]any{"labels": s.find("")}
	case path == "mailFolders", path == "labels":
		var body map[string]string
		_ = json.NewDecoder(r.Body).Decode(&body)
		name := body["displayName"] + body["name"]
		id := fmt.Sprintf("id-of-%d", len(s.folders))
		s.folders[id] = name
		answer = map[string]string{"id": id, "name": name}
	case last == "$value":
		s.write(w, parts[1], func(content []byte) []byte { return content })
		return
	case r.URL.Query().Get("format") == "raw":
		s.write(w, parts[1], func(content []byte) []byte {
			raw := strings.ReplaceAll(base64.URLEncoding.EncodeToString(content), "=", `\u003d`)
			return fmt.Appendf(nil, "{\n  \"raw\": \"%s\"\n}\n", strings.Replace(raw, "R", `\u0052`, 1))
		})
		return
	case last == "move", last == "modify":
		var body struct {
			DestinationID string   `json:"destinationId"`
			Add           []string `json:"addLabelIds"`
			Remove        []string `json:"removeLabelIds"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		for _, from := range append(body.Remove, "inbox") {
			s.drop(from, parts[1])
		}
		to := strings.Join(append(body.Add, body.DestinationID), "")
		s.mails[to] = append(s.mails[to], parts[1])
	case last == "trash", r.Method == http.MethodDelete:
		s.drop("inbox", parts[1])
		s.drop("INBOX", parts[1])
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *mailService) drop(folder, id string) {
	s.mails[folder] = slices.DeleteFunc(s.mails[folder], func(one string) bool { return one == id })
}

func (s *mailService) write(w http.ResponseWriter, id string, encode func([]byte) []byte) {
	content, ok := s.content[id]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = w.Write(encode(content))
}

func (s *mailService) find(name string) (found []map[string]string) {
	for id, have := range s.folders {
		if name == "" || name == have {
			found = append(found, map[string]string{"id": id, "name": have})
		}
	}
	return found
}

// polled returns how many pages of lists were asked for.
func (s *mailService) polled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pages
}

func (s *mailService) page(r *http.Request, folder, field string, next func(int) (string, any)) map[string]any {
	s.pages++
	from, _ := strconv.Atoi(r.URL.Query().Get("skip") + r.URL.Query().Get("pageToken"))
	all := s.mails[folder]
	from = min(from, len(all))
	to := min(from+pageSize, len(all))
	var list []map[string]string
	for _, id := range all[from:to] {
		list = append(list, map[string]string{"id": id})
	}
	answer := map[string]any{field: list}
	if to < len(all) {
		name, value := next(to)
		answer[name] = value
	}
	return answer
}

// services are the constructors by name.
var services = map[string]func(ingest.WebmailConfig) (*ingest.Webmail, error){"graph": ingest.NewGraph, "gmail": ingest.NewGmail}

func webmailConfig(s *mailService, marks ingest.Marks) ingest.WebmailConfig {
	done := ingest.Action{Kind: ingest.AfterMove, Folder: "Done's"}
	return ingest.WebmailConfig{
		URL: s.URL, User: "reports@example.com",
		Options: ingest.Options{Poll: 20 * time.Millisecond, Marks: marks},
		Actions: ingest.Actions{Counted: done, Known: done, Refused: ingest.Action{Kind: ingest.AfterDelete}},
		Token:   func(context.Context, bool) (string, error) { return "good", nil },
	}
}

func TestWebmailConforms(t *testing.T) {
	for kind, open := range services {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ingesttest.Run(t, func(t *testing.T) ingesttest.World {
				s := newMailService(t)
				inbox := map[string]string{"graph": "inbox", "gmail": "INBOX"}[kind]
				return ingesttest.World{
					Source: func(t testing.TB, marks ingest.Marks) ingest.Source {
						source, err := open(webmailConfig(s, marks))
						if err != nil {
							t.Fatal(err)
						}
						return source
					},
					Offer:   func(_ testing.TB, _ string, content []byte) { s.offer(mail(content)) },
					Pending: func(testing.TB) int { return s.in(inbox) },
				}
			})
		})
	}
}

// webmail runs a source against s.
func webmail(t *testing.T, kind string, s *mailService, change func(*ingest.WebmailConfig)) (*store.Store, *ingest.Webmail, fmt.Stringer) {
	t.Helper()
	made := make(chan *ingest.Webmail, 1)
	store, logs := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
		c := webmailConfig(s, p)
		c.Logger = logger
		change(&c)
		source, err := services[kind](c)
		if err != nil {
			t.Error(err)
		}
		made <- source
		return source
	})
	return store, <-made, logs
}

// TestWebmailActions moves, deletes and keeps over several pages, and reads each mail once.
func TestWebmailActions(t *testing.T) {
	for kind := range services {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newMailService(t)
			for i := range 5 {
				s.offer(mail(ingesttest.Report(fmt.Sprint(i), 1)))
			}
			s.offer(mail(ingesttest.Report("0", 1)))
			s.offer(mail([]byte("no report")))
			inbox := map[string]string{"graph": "inbox", "gmail": "INBOX"}[kind]
			store, source, _ := webmail(t, kind, s, func(c *ingest.WebmailConfig) { c.Known = ingest.Action{} })
			realtest.Eventually(t, "all read", func() bool { return s.in("Done's") == 5 && ingesttest.Sum(store, tally.Refusals) == 1 })
			realtest.Eventually(t, "only the known one is left", func() bool { return s.in(inbox) == 1 })
			polls := s.polled()
			realtest.Eventually(t, "listed more often", func() bool { return s.polled() > polls+20 })
			if done, left := s.in("Done's"), s.in(inbox); done != 5 || left != 1 {
				t.Errorf("%d mails moved, %d are left; want 5 and the known one", done, left)
			}
			if n := ingesttest.Sum(store, tally.Reports); n != 7 || ingesttest.Sum(store, tally.Messages) != 5 {
				t.Errorf("%d reports with %d messages, want 7 with 5", n, ingesttest.Sum(store, tally.Messages))
			}
			if status := source.Status(); !status.Up || status.Name != kind+":reports@example.com" {
				t.Errorf("status %+v", status)
			}
		})
	}
}

// TestWebmailTrouble renews a token, waits while the service is busy, gives up
// a mail that can never be fetched, and goes on with the others meanwhile.
func TestWebmailTrouble(t *testing.T) {
	for kind := range services {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newMailService(t)
			s.token = "token-2"
			busy := 3
			s.trouble = func(r *http.Request) int {
				switch {
				case r.Header.Get("Authorization") == "Bearer token-2" && busy > 0:
					busy--
					return http.StatusTooManyRequests
				case strings.Contains(r.URL.Path, "AA1=") && r.Method == http.MethodGet:
					return map[string]int{"graph": http.StatusForbidden, "gmail": http.StatusBadRequest}[kind]
				}
				return 0
			}
			s.offer(mail(ingesttest.Report("bad", 1)))
			s.offer(mail(ingesttest.Report("good", 2)))
			large := append(mail(ingesttest.Report("large", 4)), strings.Repeat("x", 1<<20)...)
			s.offer(large)
			var mu sync.Mutex
			token := 1
			store, _, logs := webmail(t, kind, s, func(c *ingest.WebmailConfig) {
				c.Attempts, c.GiveUpAfter, c.MaxBytes = 2, time.Nanosecond, 1<<19
				c.Token = func(_ context.Context, renew bool) (string, error) {
					mu.Lock()
					defer mu.Unlock()
					if renew {
						token++
					}
					return fmt.Sprint("token-", token), nil
				}
			})
			realtest.Eventually(t, "the good one counted, the bad and the large one given up", func() bool {
				return ingesttest.Sum(store, tally.Messages) == 2 && ingesttest.Sum(store, tally.Refusals, "io") == 1 &&
					ingesttest.Sum(store, tally.Refusals, "too_large") == 1
			})
			mu.Lock()
			defer mu.Unlock()
			if token != 2 {
				t.Errorf("%d tokens, want 2", token)
			}
			if strings.Contains(logs.String(), "token-") {
				t.Errorf("the log shows a token:\n%s", logs)
			}
		})
	}
}

// TestWebmailOutage refuses no mail for what a server answers that is out of order.
func TestWebmailOutage(t *testing.T) {
	for _, status := range []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusRequestTimeout, http.StatusLocked} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			s := newMailService(t)
			asked := 0
			s.trouble = func(r *http.Request) int {
				const outage = 8
				if strings.HasSuffix(r.URL.Path, "/$value") && asked < outage {
					asked++
					return status
				}
				return 0
			}
			s.offer(mail(ingesttest.Report("a", 1)))
			s.offer(mail(ingesttest.Report("b", 2)))
			store, _, _ := webmail(t, "graph", s, func(c *ingest.WebmailConfig) { c.Attempts, c.GiveUpAfter = 1, time.Nanosecond })
			realtest.Eventually(t, "both counted", func() bool { return ingesttest.Sum(store, tally.Messages) == 3 })
			if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
				t.Errorf("%d refused, want none", n)
			}
		})
	}
}

// TestWebmailStays goes on when the service does not let mails move.
func TestWebmailStays(t *testing.T) {
	s := newMailService(t)
	s.trouble = func(r *http.Request) int {
		if strings.HasSuffix(r.URL.Path, "/move") {
			return http.StatusForbidden
		}
		return 0
	}
	s.offer(mail(ingesttest.Report("a", 1)))
	s.offer(mail(ingesttest.Report("b", 2)))
	store, _, logs := webmail(t, "graph", s, func(*ingest.WebmailConfig) {})
	realtest.Eventually(t, "both counted and told", func() bool {
		return ingesttest.Sum(store, tally.Messages) == 3 && strings.Count(logs.String(), "cannot move or delete a processed mail") >= 4
	})
	if n := ingesttest.Sum(store, tally.Reports); n != 2 {
		t.Errorf("%d reports, want 2", n)
	}
}

// TestWebmailNextLink gives the token to nobody but the service.
func TestWebmailNextLink(t *testing.T) {
	stranger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a stranger was asked, with %q", r.Header.Get("Authorization"))
	}))
	defer stranger.Close()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "redirect") {
			http.Redirect(w, r, stranger.URL, http.StatusFound)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"@odata.nextLink": stranger.URL + "/users/x"})
	}))
	defer service.Close()
	for _, user := range []string{"reports@example.com", "redirect"} {
		c := webmailConfig(&mailService{Server: service}, ingest.NewPipeline(ingesttest.Store(t), ingest.PipelineConfig{}))
		c.User = user
		source, err := ingest.NewGraph(c)
		if err != nil {
			t.Fatal(err)
		}
		err = source.Run(t.Context(), ingesttest.Single(func(context.Context, *ingest.Delivery) (ingest.Result, error) {
			return ingest.Result{}, errors.New("a delivery")
		}))
		if err == nil || !strings.Contains(err.Error(), "list mails: ") {
			t.Errorf("%s: error %v, want one of the list", user, err)
		}
	}
}

func TestWebmailConfig(t *testing.T) {
	good := ingest.WebmailConfig{User: "a@example.com", Token: func(context.Context, bool) (string, error) { return "", nil }}
	for _, tt := range []struct {
		change func(*ingest.WebmailConfig)
		want   string
	}{
		{func(c *ingest.WebmailConfig) { c.User = "" }, "user or credentials are missing"},
		{func(c *ingest.WebmailConfig) { c.Token = nil }, "user or credentials are missing"},
		{func(c *ingest.WebmailConfig) { c.URL = "http://mail.example" }, "must begin with https://"},
		{func(c *ingest.WebmailConfig) { c.URL = "mail.example" }, "must begin with https://"},
		{func(c *ingest.WebmailConfig) { c.URL = "https://[" }, "url: is not a URL"},
		{func(c *ingest.WebmailConfig) { c.Known.Kind = "flag" }, "known.action: must be one of keep, move, delete"},
		{func(c *ingest.WebmailConfig) { c.Known.Kind = ingest.AfterMove }, "known.folder: the action move needs a folder"},
		{func(c *ingest.WebmailConfig) { c.Counted.Folder = "x" }, "counted.folder: only the action move has a folder"},
		{func(c *ingest.WebmailConfig) { c.Refused = ingest.Action{Kind: ingest.AfterMove, Folder: "Inbox"} }, "refused.folder: Inbox is read itself"},
	} {
		c := good
		tt.change(&c)
		if _, err := ingest.NewGraph(c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
	if _, err := ingest.NewGmail(good); err != nil {
		t.Error(err)
	}
}
