package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
)

const testSecret = "s3cr3t-in-a-test"

// TestGraphConfigured reads a mailbox by Microsoft Graph as a configuration
// says, with a token by client credentials.
func TestGraphConfigured(t *testing.T) {
	var moved atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			_, secret, _ := r.BasicAuth()
			if secret+r.FormValue("client_secret") != testSecret || r.FormValue("grant_type") != "client_credentials" {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token":"a-token","token_type":"Bearer","expires_in":3600}`)
			return
		}
		if r.Header.Get("Authorization") != "Bearer a-token" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		switch path := strings.TrimPrefix(r.URL.Path, "/v1.0/users/reports@example.com/"); {
		case path == "mailFolders/inbox/messages" && !moved.Load():
			fmt.Fprint(w, `{"value":[{"id":"one"}]}`)
		case path == "messages/one/$value":
			_, _ = w.Write(letter(t, "one", ingesttest.Report("one", 7), true))
		case path == "messages/one/move":
			moved.Store(true)
			fallthrough
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	defer server.Close()
	text := fmt.Sprintf(`sources:
  graph:
  - url: %[1]s/v1.0
    user: reports@example.com
    oauth2: {token_url: "%[1]s/token", client_id: id, client_secret: {file: secret}, scopes: [x]}
    counted: {action: move, folder: archive}
`, server.URL)
	s, stop := runService(t, t.TempDir(), map[string]string{"config.yml": text, "secret": testSecret})
	defer stop()
	eventually(t, "counted and moved", func() bool { return moved.Load() && ingesttest.Sum(s.store, tally.Messages) == 7 })
}
