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
// is "graph:" and the user. Folders are those at the top of the mailbox by
// their names; inbox, archive, junkemail and deleteditems mean the same in all languages.
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

// folder returns the id of a folder, which is created if it should be.
func (g *graph) folder(ctx context.Context, name string, create bool) (string, error) {
	if slices.Contains([]string{"inbox", "archive", "junkemail", "deleteditems"}, strings.ToLower(name)) {
		return strings.ToLower(name), nil
	}
	if id := g.folders[name]; id != "" {
		return id, nil
	}
	type folder struct {
		ID string `json:"id"`
	}
	var found struct {
		Value []folder `json:"value"`
	}
	filter := url.Values{"$filter": {"displayName eq '" + strings.ReplaceAll(name, "'", "''") + "'"}}
	if err := g.client.call(ctx, http.MethodGet, g.mailbox+"/mailFolders?"+filter.Encode(), nil, &found); err != nil {
		return "", fmt.Errorf("find folder %s: %w", name, err)
	}
	one := folder{}
	switch {
	case len(found.Value) > 0:
		one = found.Value[0]
	case !create:
		return "", fmt.Errorf("there is no folder %s", name)
	default:
		if err := g.client.call(ctx, http.MethodPost, g.mailbox+"/mailFolders", map[string]string{"displayName": name}, &one); err != nil {
			return "", fmt.Errorf("create folder %s: %w", name, err)
		}
	}
	if one.ID == "" {
		return "", errors.New("a folder without an id")
	}
	g.folders[name] = one.ID
	return one.ID, nil
}
