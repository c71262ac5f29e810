package servers

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Web is a server of Microsoft Graph and of the Gmail API with an inbox, but for
// its deviation.
type Web struct {
	// URL is its address; /token below it has access tokens.
	URL string

	deviation Deviation
	mu        sync.Mutex
	mails     map[string][]byte
	moved     map[string]string // where mails are that were moved
	folders   map[string]string // ids by name
	failed    failures
}

// webFailures are answers that pass, by the name of their deviation.
var webFailures = map[string]struct {
	path   string // a part of it
	status int
	after  func() string
}{
	"mails answer 408":                {path: "mail", status: http.StatusRequestTimeout},
	"mails answer 423":                {path: "mail", status: http.StatusLocked},
	"mails answer 425":                {path: "mail", status: http.StatusTooEarly},
	"mails answer 429":                {path: "mail", status: http.StatusTooManyRequests, after: func() string { return "1" }},
	"mails answer 429 until a date":   {path: "mail", status: http.StatusTooManyRequests, after: soon},
	"mails answer 429 without a time": {path: "mail", status: http.StatusTooManyRequests},
	"mails answer 500":                {path: "mail", status: http.StatusInternalServerError},
	"mails answer 502":                {path: "mail", status: http.StatusBadGateway},
	"mails answer 503 until a date":   {path: "mail", status: http.StatusServiceUnavailable, after: soon},
	"mails answer 504":                {path: "mail", status: http.StatusGatewayTimeout},
	"mails answer 403":                {path: "mail", status: http.StatusForbidden},
	"lists answer 401":                {path: "list", status: http.StatusUnauthorized},
	"lists answer 404":                {path: "list", status: http.StatusNotFound},
	"lists answer 429":                {path: "list", status: http.StatusTooManyRequests, after: func() string { return "1" }},
	"lists answer 500":                {path: "list", status: http.StatusInternalServerError},
	"lists answer 502":                {path: "list", status: http.StatusBadGateway},
	"lists answer 503":                {path: "list", status: http.StatusServiceUnavailable, after: soon},
	"moves answer 429":                {path: "move", status: http.StatusTooManyRequests, after: func() string { return "1" }},
	"moves answer 500":                {path: "move", status: http.StatusInternalServerError},
	"moves answer 503":                {path: "move", status: http.StatusServiceUnavailable},
	"tokens answer 400":               {path: "token", status: http.StatusBadRequest},
	"tokens answer 503":               {path: "token", status: http.StatusServiceUnavailable},
}

func soon() string { return time.Now().Add(time.Second).UTC().Format(http.TimeFormat) }

// webForms are other deviations of both services.
var webForms = []string{
	"plain", "answers are cut off", "connections are dropped", "no mail in a page", "pretty answers", "unknown fields", "no content type",
	"raw: escaped", "raw: padded", "raw: standard alphabet", "raw: line breaks", "raw: behind other fields",
}

// WebDeviations are those of Microsoft Graph and of the Gmail API.
func WebDeviations() (all []Deviation) {
	for _, name := range append(slices.Sorted(maps.Keys(webFailures)), webForms...) {
		all = append(all, Deviation{Name: name, Want: "Done"})
	}
	return all
}

// Web starts a server until the test ends.
func (d Deviation) Web(t testing.TB, mails ...[]byte) *Web {
	s := &Web{deviation: d, mails: make(map[string][]byte), moved: make(map[string]string), folders: make(map[string]string)}
	for i, mail := range mails {
		s.mails[fmt.Sprintf("id%d", i+1)] = mail
	}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// kind sorts requests.
func kind(r *http.Request) string {
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/token"):
		return "token"
	case strings.HasSuffix(path, "/$value"), r.URL.Query().Get("format") == "raw":
		return "mail"
	case strings.HasSuffix(path, "/move"), strings.HasSuffix(path, "/modify"):
		return "move"
	case strings.HasSuffix(path, "/messages"):
		return "list"
	case r.Method == http.MethodPost:
		return "create"
	}
	return "find"
}

func (s *Web) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail(w, kind(r)) {
		return
	}
	parts := strings.Split(r.URL.Path, "/")
	var body struct {
		DisplayName, Name, DestinationID string
		AddLabelIDs                      []string `json:"addLabelIds"`
	}
	if r.Method == http.MethodPost {
		_ = json.NewDecoder(r.Body).Decode(&body) // that of a token is a form
	}
	switch kind(r) {
	case "token":
		s.answer(w, map[string]any{"access_token": "t", "token_type": "Bearer", "expires_in": 3600})
	case "mail":
		s.mail(w, parts[len(parts)-1] == "$value", s.mails[messageID(parts)])
	case "move":
		s.moved[messageID(parts)] = strings.Join(append(body.AddLabelIDs, body.DestinationID), "")
		s.answer(w, map[string]any{"id": messageID(parts)})
	case "list":
		s.list(w, r)
	case "create":
		name := body.DisplayName + body.Name
		s.folders[name] = "F-" + name
		s.answer(w, map[string]any{"id": "F-" + name, "name": name, "displayName": name})
	case "find":
		all := []map[string]string{}
		for name, id := range s.folders {
			all = append(all, map[string]string{"id": id, "name": name, "displayName": name})
		}
		s.answer(w, map[string]any{"labels": all, "value": all})
	}
}

// messageID is the part of a path behind messages.
func messageID(parts []string) string { return parts[slices.Index(parts, "messages")+1] }

// fail answers with what passes, and reports whether.
func (s *Web) fail(w http.ResponseWriter, kind string) bool {
	failure, ok := webFailures[s.deviation.Name]
	switch {
	case ok && failure.path == kind && s.failed.next(&s.deviation):
		if failure.after != nil {
			w.Header().Set("Retry-After", failure.after())
		}
		http.Error(w, `{"error":{"code":"trouble"}}`, failure.status)
	case s.deviation.Name == "connections are dropped" && kind == "mail" && s.failed.next(&s.deviation):
		panic(http.ErrAbortHandler)
	case s.deviation.Name == "answers are cut off" && kind == "mail" && s.failed.next(&s.deviation):
		w.Header().Set("Content-Length", "10000")
		_, _ = w.Write([]byte(`{"raw":"`)) // the client notices
	default:
		return false
	}
	return true
}

// list answers with all mails in two pages.
func (s *Web) list(w http.ResponseWriter, r *http.Request) {
	page := []map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(s.mails)) {
		if s.moved[id] == "" {
			page = append(page, map[string]string{"id": id, "threadId": "t"})
		}
	}
	answer := map[string]any{"value": page, "messages": page}
	if s.deviation.Name == "no mail in a page" && r.URL.Query().Get("pageToken") == "" {
		answer = map[string]any{"value": []any{}, "nextPageToken": "2", "@odata.nextLink": s.URL + r.URL.Path + "?pageToken=2"}
	}
	s.answer(w, answer)
}

func (s *Web) answer(w http.ResponseWriter, body map[string]any) {
	if s.deviation.Name == "unknown fields" {
		body["@odata.context"], body["resultSizeEstimate"] = "x", 7
	}
	text, _ := json.Marshal(body) // of plain values
	if s.deviation.Name == "pretty answers" {
		text, _ = json.MarshalIndent(body, "", "\t")
	}
	if s.deviation.Name == "no content type" {
		w.Header()["Content-Type"] = nil
	} else {
		w.Header().Set("Content-Type", "application/json")
	}
	_, _ = w.Write(text)
}

// mail answers with a mail as it is, or in JSON.
func (s *Web) mail(w http.ResponseWriter, plain bool, content []byte) {
	if plain {
		_, _ = w.Write(content)
		return
	}
	for len(content)%3 != 1 {
		content = append(content, '\n') // so that there is padding
	}
	raw, before := base64.RawURLEncoding.EncodeToString(content), ""
	switch s.deviation.Name {
	case "raw: escaped":
		raw = base64.URLEncoding.EncodeToString(content)
		raw = strings.ReplaceAll(strings.Replace(raw, "R", `\u0052`, 1), "=", `\u003d`)
	case "raw: padded":
		raw = base64.URLEncoding.EncodeToString(content)
	case "raw: standard alphabet":
		raw = strings.ReplaceAll(base64.StdEncoding.EncodeToString(content), "/", `\/`)
	case "raw: line breaks":
		raw = raw[:20] + `\r\n` + raw[20:]
	case "raw: behind other fields":
		before = `"id": "x", "labelIds": ["INBOX", "a\"b"], "payload": {"raw": "no", "n": [1, {}]}, `
	}
	fmt.Fprintf(w, "{%s\"raw\": \"%s\"}", before, raw)
}

// Settled reports whether all mails are where they should be, after what fails for
// a while did.
func (s *Web) Settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deviation.passing() && s.failed.n == 0 {
		return false
	}
	for id := range s.mails {
		if s.moved[id] != "F-Done" {
			return false
		}
	}
	return true
}
