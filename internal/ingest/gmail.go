package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// NewGmail returns a Webmail that reads a mailbox by the API of Gmail. Its name
// is "gmail:" and the user. Folders are labels; a mail that moves loses the one
// that is read, and one that is deleted goes to the bin.
func NewGmail(c WebmailConfig) (*Webmail, error) {
	w, client, err := newWebmail("gmail", c, "https://gmail.googleapis.com/gmail/v1")
	if err != nil {
		return nil, err
	}
	w.service = &gmail{client: client, mailbox: "/users/" + url.PathEscape(c.User), labels: make(map[string]string)}
	return w, nil
}

type gmail struct {
	client  *webmailClient
	mailbox string
	labels  map[string]string // ids by name
}

// list returns the ids of all mails with a label, the newest first.
func (g *gmail) list(ctx context.Context, folder string) ([]string, error) {
	label, err := g.label(ctx, folder, false)
	if err != nil {
		return nil, err
	}
	var ids []string
	query := url.Values{"labelIds": {label}, "maxResults": {"500"}}
	for {
		var page struct {
			Messages []struct {
				ID string `json:"id"`
			} `json:"messages"`
			Next string `json:"nextPageToken"`
		}
		if err := g.client.call(ctx, http.MethodGet, g.mailbox+"/messages?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		for _, message := range page.Messages {
			ids = append(ids, message.ID)
		}
		switch {
		case page.Next == "":
			return ids, nil
		case len(ids) > maxListed:
			return nil, fmt.Errorf("more than %d mails", maxListed)
		}
		query.Set("pageToken", page.Next)
	}
}

func (g *gmail) look(ctx context.Context, folder string) error {
	id, err := g.label(ctx, folder, false)
	if err != nil {
		return err
	}
	return g.client.call(ctx, http.MethodGet, g.mailbox+"/labels/"+url.PathEscape(id), nil, nil)
}

func (g *gmail) fetch(ctx context.Context, id string) (io.ReadCloser, error) {
	resp, err := g.client.request(ctx, http.MethodGet, g.message(id)+"?format=raw&fields=raw", nil)
	if err != nil {
		return nil, err
	}
	return &rawField{r: bufio.NewReader(resp.Body), body: resp.Body}, nil
}

func (g *gmail) move(ctx context.Context, id, from, to string) error {
	add, err := g.label(ctx, to, true)
	if err != nil {
		return err
	}
	drop, err := g.label(ctx, from, false)
	if err != nil {
		return err
	}
	change := map[string][]string{"addLabelIds": {add}, "removeLabelIds": {drop}}
	return g.client.call(ctx, http.MethodPost, g.message(id)+"/modify", change, nil)
}

func (g *gmail) remove(ctx context.Context, id string) error {
	return g.client.call(ctx, http.MethodPost, g.message(id)+"/trash", nil, nil)
}

func (g *gmail) message(id string) string { return g.mailbox + "/messages/" + url.PathEscape(id) }

// label returns the id of a label, which is created if it should be. The
// labels of the service, such as INBOX, have their names as ids.
func (g *gmail) label(ctx context.Context, name string, create bool) (string, error) {
	if strings.EqualFold(name, "inbox") {
		return "INBOX", nil
	}
	if id := g.labels[name]; id != "" {
		return id, nil
	}
	type label struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	var all struct {
		Labels []label `json:"labels"`
	}
	if err := g.client.call(ctx, http.MethodGet, g.mailbox+"/labels", nil, &all); err != nil {
		return "", fmt.Errorf("find label %s: %w", name, err)
	}
	one := label{}
	for _, l := range all.Labels {
		if strings.EqualFold(l.Name, name) {
			one = l
		}
	}
	if one.ID == "" && !create {
		return "", &absentError{"label", name}
	}
	if one.ID == "" {
		if err := g.client.call(ctx, http.MethodPost, g.mailbox+"/labels", map[string]string{"name": name}, &one); err != nil {
			return "", fmt.Errorf("create label %s: %w", name, err)
		}
	}
	if one.ID == "" {
		return "", errors.New("a label without an id")
	}
	g.labels[name] = one.ID
	return one.ID, nil
}
