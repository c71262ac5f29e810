package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
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
	eventually(t, "counted and moved", func() bool { return moved.Load() && ingesttest.Sum(s.Store, tally.Messages) == 7 })
}

// TestLogin signs in by a code, and reads the mailbox with the token.
func TestLogin(t *testing.T) {
	var moved atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/devicecode":
			fmt.Fprint(w, `{"device_code":"d","user_code":"ABCD","verification_uri":"https://login.example","expires_in":60,"interval":1}`)
		case r.URL.Path == "/token" && r.FormValue("device_code") == "d":
			fmt.Fprint(w, `{"access_token":"unused","token_type":"Bearer","refresh_token":"kept","expires_in":3600}`)
		case r.URL.Path == "/token" && r.FormValue("refresh_token") == "kept":
			fmt.Fprint(w, `{"access_token":"a-token","token_type":"Bearer","expires_in":3600}`)
		case r.Header.Get("Authorization") != "Bearer a-token":
			http.Error(w, "no", http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/messages") && !moved.Load():
			fmt.Fprint(w, `{"value":[{"id":"one"}]}`)
		case strings.HasSuffix(r.URL.Path, "/messages/one/$value"):
			_, _ = w.Write(letter(t, "one", ingesttest.Report("one", 7), true))
		default:
			moved.Store(strings.HasSuffix(r.URL.Path, "/move") || moved.Load())
			fmt.Fprint(w, `{}`)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	text := fmt.Sprintf(`sources:
  graph:
  - url: %[1]s/v1.0
    user: reports@example.com
    poll: 100ms
    oauth2: {token_url: "%[1]s/token", device_url: "%[1]s/devicecode", client_id: id, token_file: token, scopes: [x, offline_access]}
    counted: {action: move, folder: archive}
`, server.URL)
	s, stop := runService(t, dir, map[string]string{"config.yml": text})
	defer stop()
	eventually(t, "down", func() bool {
		all := s.Supervisor.Sources()
		return len(all) == 1 && all[0].Status().Err != nil && strings.Contains(all[0].Status().Err.Error(), "run dmarc_exporter login")
	})
	var out, errs bytes.Buffer
	if code := run([]string{"login", filepath.Join(dir, "config.yml")}, nil, &out, &errs); code != exitOK || !strings.Contains(out.String(), "ABCD") {
		t.Fatalf("exit code %d: %s%s", code, &out, &errs)
	}
	eventually(t, "counted and moved", func() bool { return moved.Load() && ingesttest.Sum(s.Store, tally.Messages) == 7 })
}
