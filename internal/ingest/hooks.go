package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Hooks says whose web hooks are verified by their signatures, so that they
// need no token. Those of others do. The zero value verifies none.
type Hooks struct {
	// Topics are the topics of Amazon SNS, by their ARNs, to which SES publishes
	// mails. Their subscriptions are confirmed.
	Topics []string
	// MailgunKey returns the signing key of Mailgun; nil when it is not used.
	MailgunKey func() (string, error)
	// Client fetches the certificates of SNS; nil means one with a timeout.
	Client *http.Client
}

// signed reports whether there is a hook that needs no token.
func (h *Hooks) signed() bool { return len(h.Topics) > 0 || h.MailgunKey != nil }

// maxHook is the size of the largest web hook, which is held in memory.
const maxHook = 12 << 20

// hookInput is a mail, or a file of one, in a web hook.
type hookInput struct {
	name    string
	content []byte
}

// hook is what a web hook carries.
type hook struct {
	inputs []hookInput
	// verified says that the signature of its sender is good.
	verified bool
	// final is the answer that keeps its sender from sending it again.
	final int
	// done says that there is nothing to deliver.
	done bool
}

// errUnverified says that a web hook is not what its sender signed.
var errUnverified = errors.New("the signature of the web hook is not good")

// postmark and others are the JSON of web hooks: all of them in one, told apart
// by the keys that only they have.
type hookJSON struct {
	snsMessage
	sesMail
	// Postmark
	RawEmail    string `json:"RawEmail"`
	Attachments []struct {
		Name    string `json:"Name"`
		Content []byte `json:"Content"`
	} `json:"Attachments"`
	MessageStream string `json:"MessageStream"`
	// a worker of Cloudflare
	Raw string `json:"raw"`
}

// sesMail is the notification of SES about a mail.
type sesMail struct {
	NotificationType string `json:"notificationType"`
	Content          string `json:"content"`
	Receipt          struct {
		Action struct {
			Encoding string `json:"encoding"`
		} `json:"action"`
	} `json:"receipt"`
}

// readHook returns what a JSON body carries; nil when it is no web hook.
func (u *Upload) readHook(r *http.Request, body []byte) (*hook, error) {
	var h hookJSON
	if !json.Valid(body) {
		return nil, nil //nolint:nilnil // It is no web hook, which is no error.
	}
	_ = json.Unmarshal(body, &h) // Keys with other types are those of somebody else.
	switch {
	case h.Type != "" && h.TopicARN != "":
		return u.readSNS(r.Context(), &h.snsMessage)
	case h.NotificationType != "":
		return h.sesMail.read()
	case h.RawEmail != "":
		return &hook{inputs: []hookInput{{"RawEmail", []byte(h.RawEmail)}}, final: http.StatusForbidden}, nil
	case h.MessageStream != "" || len(h.Attachments) > 0:
		out := &hook{final: http.StatusForbidden}
		for _, a := range h.Attachments {
			out.inputs = append(out.inputs, hookInput{a.Name, a.Content})
		}
		return out, nil
	case h.Raw != "":
		return &hook{inputs: []hookInput{{"raw", perhapsBase64(h.Raw)}}, final: http.StatusUnprocessableEntity}, nil
	}
	return nil, nil //nolint:nilnil // See above.
}

// perhapsBase64 decodes a mail that is packed, which no mail looks like.
func perhapsBase64(text string) []byte {
	packed := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
	if content, err := base64.StdEncoding.DecodeString(packed); err == nil {
		return content
	}
	return []byte(text)
}

// read returns the mail of a notification.
func (m *sesMail) read() (*hook, error) {
	out := &hook{final: http.StatusUnprocessableEntity}
	if m.NotificationType != "Received" {
		out.done = true
		return out, nil
	}
	if m.Content == "" {
		return nil, &dmarc.Error{Reason: dmarc.ReasonEmpty, Offset: -1, Err: errors.New("the notification has no mail in it: use the SNS action of the receipt rule, not that of S3")}
	}
	content := []byte(m.Content)
	if strings.EqualFold(m.Receipt.Action.Encoding, "BASE64") {
		var err error
		if content, err = base64.StdEncoding.DecodeString(m.Content); err != nil {
			return nil, &dmarc.Error{Reason: dmarc.ReasonEncoding, Offset: -1, Err: err}
		}
	}
	out.inputs = []hookInput{{"mail", content}}
	return out, nil
}

// mailgunTokens are the tokens that were used. The signature of Mailgun says
// nothing about the mail, so that each is good for one.
type mailgunTokens struct {
	mu   sync.Mutex
	used map[string]time.Time
}

const (
	// mailgunAge is how old a signature may be: Mailgun tries for eight hours.
	mailgunAge = 12 * time.Hour
	// mailgunMost bounds the tokens that are remembered.
	mailgunMost = 100_000
)

// use reports whether a token is new, and takes it.
func (t *mailgunTokens) use(token string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.used == nil {
		t.used = make(map[string]time.Time)
	}
	if _, ok := t.used[token]; ok {
		return false
	}
	if len(t.used) >= mailgunMost {
		for token, at := range t.used {
			if now.Sub(at) > mailgunAge {
				delete(t.used, token)
			}
		}
	}
	if len(t.used) >= mailgunMost {
		return false
	}
	t.used[token] = now
	return true
}

// free gives a token back: its mail was not recorded.
func (t *mailgunTokens) free(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.used, token)
}

// isMailgun reports whether a form is one of Mailgun.
func isMailgun(form url.Values) bool {
	return form.Has("timestamp") && form.Has("token") && form.Has("signature")
}

// verifyMailgun checks the signature of a form (HMAC-SHA256 of time and token).
func (u *Upload) verifyMailgun(form url.Values) error {
	key, err := u.config.Hooks.MailgunKey()
	if err != nil {
		return fmt.Errorf("read the signing key of Mailgun: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(mac, form.Get("timestamp")+form.Get("token")) // It cannot fail.
	got, err := hex.DecodeString(form.Get("signature"))
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		return errUnverified
	}
	seconds, err := strconv.ParseInt(form.Get("timestamp"), 10, 64)
	if age := time.Since(time.Unix(seconds, 0)); err != nil || age.Abs() > mailgunAge {
		return fmt.Errorf("%w: it is of another time", errUnverified)
	}
	return nil
}

// firstByte returns the first byte that is no space, of a body and of nothing else.
func firstByte(head []byte) byte {
	head = bytes.TrimLeft(head, " \t\r\n\ufeff")
	if len(head) == 0 {
		return 0
	}
	return head[0]
}
