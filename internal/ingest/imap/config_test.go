package imap_test

import (
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
)

func TestActionsAreChecked(t *testing.T) {
	move := func(folder string) ingest.Action { return ingest.Action{Kind: ingest.AfterMove, Folder: folder} }
	for _, tt := range []struct {
		folders []string
		actions ingest.Actions
		want    string
	}{
		{nil, ingest.Actions{Counted: move("Done"), Known: ingest.Action{Kind: ingest.AfterFlag}}, ""},
		{nil, ingest.Actions{Counted: move("inbox")}, "counted.folder: inbox is read itself"},
		{[]string{"Reports"}, ingest.Actions{Known: move("INBOX")}, ""},
		{[]string{"Reports"}, ingest.Actions{Known: move("reports")}, ""}, // another folder on many servers
		{[]string{"INBOX", "Junk"}, ingest.Actions{Refused: move("Junk")}, "refused.folder: Junk is read itself"},
		{nil, ingest.Actions{Refused: move("")}, "refused.folder: the action move needs a folder"},
		{nil, ingest.Actions{Refused: ingest.Action{Kind: ingest.AfterFlag, Folder: "x"}}, "refused.folder: only the action move has a folder"},
		{nil, ingest.Actions{Known: ingest.Action{Kind: "burn"}}, "known.action: must be one of keep, flag, move, delete"},
	} {
		_, err := imap.New(imap.Config{
			Address: "imap.example:993", Auth: imap.Password("u", nil), Folders: tt.folders, Actions: tt.actions,
		})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%v, %+v: error %v, want %q", tt.folders, tt.actions, err, tt.want)
		}
	}
}
