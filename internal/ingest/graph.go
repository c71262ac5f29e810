package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// NewGraph returns a Webmail that reads a mailbox by Microsoft Graph. Its name
// is "graph:" and the user. Folders are written by their names, those within
// others as Inbox/DMARC; inbox, archive, junkemail and deleteditems mean the same
// in all languages.
func NewGraph(c WebmailConfig) (*Webmail, error) {
	w, client, err := newWebmail("graph", c, "https://graph.microsoft.com/v1.0")
	if err != nil {
		return nil, err
	}
	w.service = &graph{client: client, mailbox: "/users/" + url.PathEscape(c.User), folders: make(map[string]string)}
	return w, nil
}

type graph struct {
	client  *webmailClient
	mailbox string
	folders map[string]string // ids by name
}

// list returns the ids of all mails in a folder, the oldest first.
func (g *graph) list(ctx context.Context, folder string) ([]string, error) {
	id, err := g.folder(ctx, folder, false)
	if err != nil {
		return nil, err
	}
	var ids []string
	next := g.mailbox + "/mailFolders/" + url.PathEscape(id) + "/messages?$select=id&$orderby=receivedDateTime&$top=100"
	for next != "" {
		var page struct {
			Value []struct {
				ID string `json:"id"`
			} `json:"value"`
			Next string `json:"@odata.nextLink"`
		}
		if err := g.client.call(ctx, http.MethodGet, next, nil, &page); err != nil {
			return nil, err
		}
		for _, message := range page.Value {
			ids = append(ids, message.ID)
		}
		if next = page.Next; len(ids) > maxListed {
			return nil, fmt.Errorf("more than %d mails", maxListed)
		}
	}
	return ids, nil
}

func (g *graph) look(ctx context.Context, folder string) error {
	id, err := g.folder(ctx, folder, false)
	if err != nil {
		return err
	}
	return g.client.call(ctx, http.MethodGet, g.mailbox+"/mailFolders/"+url.PathEscape(id)+"?$select=id", nil, nil)
}

func (g *graph) fetch(ctx context.Context, id string) (io.ReadCloser, error) {
	resp, err := g.client.request(ctx, http.MethodGet, g.message(id)+"/$value", nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (g *graph) move(ctx context.Context, id, _, to string) error {
	folder, err := g.folder(ctx, to, true)
	if err != nil {
		return err
	}
	return g.client.call(ctx, http.MethodPost, g.message(id)+"/move", map[string]string{"destinationId": folder}, nil)
}

func (g *graph) remove(ctx context.Context, id string) error {
	return g.client.call(ctx, http.MethodDelete, g.message(id), nil, nil)
}

func (g *graph) message(id string) string { return g.mailbox + "/messages/" + url.PathEscape(id) }

// wellKnown are the folders whose names mean the same in all languages.
var wellKnown = []string{"inbox", "archive", "junkemail", "deleteditems"}

// folder returns the id of a folder, which is created if it should be. A folder
// within others is written with slashes, such as Inbox/DMARC; one at the top may
// have slashes in its name.
func (g *graph) folder(ctx context.Context, name string, create bool) (string, error) {
	if id := g.folders[name]; id != "" {
		return id, nil
	}
	id, err := "", error(nil)
	if strings.Contains(name, "/") {
		id, err = g.find(ctx, "", name)
	}
	if id == "" && err == nil {
		id, err = g.walk(ctx, name, create)
	}
	if err != nil {
		return "", err
	}
	g.folders[name] = id
	return id, nil
}

// walk goes from folder to folder.
func (g *graph) walk(ctx context.Context, name string, create bool) (string, error) {
	id := ""
	for part := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		parent := id
		if parent == "" && slices.Contains(wellKnown, strings.ToLower(part)) {
			id = strings.ToLower(part)
			continue
		}
		var err error
		if id, err = g.find(ctx, parent, part); err != nil {
			return "", err
		}
		switch {
		case id != "":
		case !create:
			return "", &absentError{"folder", name}
		default:
			if id, err = g.create(ctx, parent, part); err != nil {
				return "", fmt.Errorf("create folder %s: %w", name, err)
			}
		}
	}
	return id, nil
}

// graphFolder is as much of a folder as is asked for.
type graphFolder struct {
	ID string `json:"id"`
}

// children is the path of the folders within a folder, or at the top for "".
func (g *graph) children(parent string) string {
	if parent == "" {
		return g.mailbox + "/mailFolders"
	}
	return g.mailbox + "/mailFolders/" + url.PathEscape(parent) + "/childFolders"
}

// find returns the id of a folder within another one, or "".
func (g *graph) find(ctx context.Context, parent, name string) (string, error) {
	var found struct {
		Value []graphFolder `json:"value"`
	}
	filter := url.Values{"$filter": {"displayName eq '" + strings.ReplaceAll(name, "'", "''") + "'"}}
	if err := g.client.call(ctx, http.MethodGet, g.children(parent)+"?"+filter.Encode(), nil, &found); err != nil {
		return "", fmt.Errorf("find folder %s: %w", name, err)
	}
	if len(found.Value) == 0 {
		return "", nil
	}
	return found.Value[0].ID, nil
}

func (g *graph) create(ctx context.Context, parent, name string) (string, error) {
	var one graphFolder
	if err := g.client.call(ctx, http.MethodPost, g.children(parent), map[string]string{"displayName": name}, &one); err != nil {
		return "", err
	}
	if one.ID == "" {
		return "", errors.New("a folder without an id")
	}
	return one.ID, nil
}
