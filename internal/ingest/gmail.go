package ingest

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
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
		return "", fmt.Errorf("there is no label %s", name)
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

// rawField reads the value of the only field of an answer, decoded: a mail is
// too large to be held in memory twice, as a text and decoded.
type rawField struct {
	r       *bufio.Reader
	body    io.Closer
	decoder io.Reader
}

// Close ends the answer.
func (f *rawField) Close() error { return f.body.Close() }

// Read reads the mail. An answer that ends within it is an error.
func (f *rawField) Read(p []byte) (int, error) {
	if f.decoder == nil {
		for _, want := range []byte(`{"raw":"`) {
			if got, err := f.skipSpace(); err != nil || got != want {
				return 0, errors.New("the answer has no mail")
			}
		}
		f.decoder = base64.NewDecoder(base64.RawURLEncoding, &rawText{r: f.r})
	}
	return f.decoder.Read(p)
}

func (f *rawField) skipSpace() (byte, error) {
	for {
		b, err := f.r.ReadByte()
		if err != nil || strings.IndexByte(" \t\r\n", b) < 0 {
			return b, err
		}
	}
}

// rawText reads up to the quote at the end of a value, without padding.
type rawText struct {
	r    *bufio.Reader
	done bool
}

func (t *rawText) Read(p []byte) (n int, err error) {
	for n < len(p) && !t.done {
		b, err := t.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return n, io.ErrUnexpectedEOF
		case err != nil:
			return n, err
		case b == '"':
			t.done = true
		case b == '\\':
			// Any character may be escaped (RFC 8259, section 7).
			if b, err = t.escaped(); err != nil {
				return n, err
			}
			if b != '=' && b != '\n' && b != '\r' {
				p[n] = b
				n++
			}
		case b != '=':
			p[n] = b
			n++
		}
	}
	if n == 0 && t.done {
		return 0, io.EOF
	}
	return n, nil
}

// escaped reads what follows a backslash: of base64, only what needs no more than a byte.
func (t *rawText) escaped() (byte, error) {
	b, err := t.r.ReadByte()
	switch {
	case err != nil:
		return 0, io.ErrUnexpectedEOF
	case b == 'n':
		return '\n', nil
	case b == 'r':
		return '\r', nil
	case b != 'u':
		return b, nil
	}
	digits := make([]byte, 4)
	if _, err := io.ReadFull(t.r, digits); err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	code, err := strconv.ParseUint(string(digits), 16, 8)
	return byte(code), err
}
