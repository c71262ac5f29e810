package ingest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// graphFolders is Microsoft Graph with folders within folders. The id of a
// folder is its path with dots.
type graphFolders struct {
	mu      sync.Mutex
	folders []string
	mails   map[string][]string // ids by folder
}

func (g *graphFolders) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/users/u@example.com/"), "/")
	parent := ""
	if len(parts) > 2 {
		parent = parts[1] + "."
	}
	var answer any
	var body struct{ DisplayName, DestinationID string }
	_ = json.NewDecoder(r.Body).Decode(&body) // empty without one
	switch last := parts[len(parts)-1]; {
	case last == "$value":
		_, _ = w.Write(mail(ingesttest.Report(parts[1], 3)))
		return
	case last == "move":
		for folder, ids := range g.mails {
			g.mails[folder] = slices.DeleteFunc(ids, func(id string) bool { return id == parts[1] })
		}
		g.mails[body.DestinationID] = append(g.mails[body.DestinationID], parts[1])
	case last == "messages":
		var list []map[string]string
		for _, id := range g.mails[parts[1]] {
			list = append(list, map[string]string{"id": id})
		}
		answer = map[string]any{"value": list}
	case r.Method == http.MethodPost:
		g.folders = append(g.folders, parent+body.DisplayName)
		answer = map[string]string{"id": parent + body.DisplayName}
	default: // a list of folders
		name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Query().Get("$filter"), "displayName eq '"), "'")
		list := []map[string]string{}
		if slices.Contains(g.folders, parent+name) {
			list = append(list, map[string]string{"id": parent + name})
		}
		answer = map[string]any{"value": list}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// TestGraphSubfolders reads folders within others, and makes those to move to.
func TestGraphSubfolders(t *testing.T) {
	for read, place := range map[string]string{
		"Inbox/DMARC": "inbox.DMARC", "DMARC": "DMARC", "Reports/2026/DMARC": "Reports.2026.DMARC", "inbox": "inbox",
	} {
		t.Run(read, func(t *testing.T) {
			t.Parallel()
			g := &graphFolders{folders: []string{place}, mails: map[string][]string{place: {"one", "two"}}}
			for i, r := range place {
				if r == '.' {
					g.folders = append(g.folders, place[:i])
				}
			}
			server := httptest.NewServer(g)
			defer server.Close()
			store := ingesttest.Store(t)
			pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
			done := ingest.Action{Kind: ingest.AfterMove, Folder: read + "/Done/2026"}
			source, err := ingest.NewGraph(ingest.WebmailConfig{
				Options: ingest.Options{Poll: 10 * time.Millisecond, Marks: pipeline}, URL: server.URL, User: "u@example.com", Token: noToken, Folder: read,
				Actions: ingest.Actions{Counted: done, Known: done, Refused: done},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer startSources(t, map[string]ingest.Source{"graph": source}, pipeline.Deliver)()
			realtest.Eventually(t, "both counted and moved", func() bool {
				g.mu.Lock()
				defer g.mu.Unlock()
				return ingesttest.Sum(store, tally.Messages) == 6 && len(g.mails[place]) == 0 && len(g.mails[place+".Done.2026"]) == 2
			})
		})
	}
}
