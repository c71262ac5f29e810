package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// uploadRequest is one request of an Upload and what became of it.
type uploadRequest struct {
	*http.Request
	upload     *Upload
	deliver    Deliver
	authorized bool
	result     Result
	// final is the status that keeps the sender of a web hook from sending it
	// again; 0 for others. done says that there was nothing to deliver.
	final int
	done  bool
}

// errUnauthorized says that neither a token nor a signature is good.
var errUnauthorized = errors.New("no good token or signature")

// take delivers what the request carries.
func (r *uploadRequest) take() error {
	media, parameters, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == "multipart/form-data" {
		return r.takeForm(multipart.NewReader(r.Body, parameters["boundary"]))
	}
	body := bufio.NewReader(r.Body)
	head, err := body.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return &InputError{Err: err}
	}
	switch {
	case firstByte(head) == '{':
		return r.takeMemory(body, r.takeJSON)
	case media == "application/x-www-form-urlencoded" && formStart.Match(head):
		// curl --data-binary says so of whatever it sends: the content decides.
		return r.takeMemory(body, r.takeFields)
	}
	return r.takeBody("body", body)
}

// formStart is how a form begins.
var formStart = regexp.MustCompile(`^[A-Za-z0-9_-]+=`)

// takeMemory takes a body in memory, one at a time. One that is too large for a
// web hook is taken as it is.
func (r *uploadRequest) takeMemory(body io.Reader, take func(text []byte) error) error {
	spool, err := NewSpool(body)
	if err != nil {
		return err
	}
	defer spool.Close()
	if spool.Size > maxHook {
		return r.takeBody("body", spool)
	}
	select {
	case r.upload.hooking <- struct{}{}:
		defer func() { <-r.upload.hooking }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	text, err := io.ReadAll(spool)
	if err != nil {
		return err
	}
	return take(text)
}

// takeBody delivers one input of somebody who has the token.
func (r *uploadRequest) takeBody(name string, body io.Reader) error {
	if !r.authorized {
		return errUnauthorized
	}
	spool, err := NewSpool(body)
	if err != nil {
		return err
	}
	defer spool.Close()
	return r.takeInput(name, spool, spool.Size)
}

func (r *uploadRequest) takeInput(name string, body io.Reader, size int64) error {
	one, err := r.deliver.One(r.Context(), &Delivery{Source: r.upload.status.Name, Name: name, Body: body, Size: size, Only: r.upload.config.Only})
	for _, item := range one.Items {
		r.result.add(item, item.Outcome == tally.OutcomeCounted)
	}
	return err
}

// takeJSON delivers a web hook, or a report in JSON.
func (r *uploadRequest) takeJSON(text []byte) error {
	h, err := r.upload.readHook(r.Request, text)
	if err != nil {
		return err
	}
	if h == nil {
		return r.takeBody("body", bytes.NewReader(text))
	}
	return r.takeHook(h)
}

// takeHook delivers what is in a web hook.
func (r *uploadRequest) takeHook(h *hook) error {
	if !r.authorized && !h.verified {
		return errUnauthorized
	}
	r.final, r.done = h.final, h.done
	for _, in := range h.inputs {
		if err := r.takeInput(in.name, bytes.NewReader(in.content), int64(len(in.content))); err != nil {
			return err
		}
	}
	return nil
}

// maxParts bounds the parts of a form.
const maxParts = 1000

// takeForm delivers each file of a form, as soon as it is read by somebody who
// has the token. Others may sign in a later part.
func (r *uploadRequest) takeForm(form *multipart.Reader) error {
	fields := url.Values{}
	files := make(map[string]*Spool)
	defer func() {
		for _, spool := range files {
			spool.Close()
		}
	}()
	var order []string
	for {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return &InputError{Err: err}
		}
		spool, err := NewSpool(part)
		if err != nil {
			return err
		}
		name := part.FileName()
		if name == "" {
			name = part.FormName()
		}
		if spool.Size <= 1<<10 && part.FileName() == "" {
			text, _ := io.ReadAll(spool) // It is in memory.
			fields.Set(name, string(text))
			spool.Reader = bytes.NewReader(text)
		}
		for files[name] != nil {
			name += "'"
		}
		if len(order) == maxParts {
			spool.Close()
			return &InputError{Err: errors.New("too many parts")}
		}
		files[name], order = spool, append(order, name)
	}
	if isMailgun(fields) {
		return r.takeMailgun(fields, func() error {
			if mail := files["body-mime"]; mail != nil {
				return r.takeInput("body-mime", mail, mail.Size)
			}
			for _, name := range order {
				if spool := files[name]; !fields.Has(name) && spool.Size > 0 && !mailgunText[name] {
					if err := r.takeInput(name, spool, spool.Size); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if !r.authorized {
		return errUnauthorized
	}
	for _, name := range order {
		if err := r.takeInput(name, files[name], files[name].Size); err != nil {
			return err
		}
	}
	return nil
}

// mailgunText are fields that may be long, and are no files.
var mailgunText = map[string]bool{
	"body-plain": true, "body-html": true, "stripped-text": true, "stripped-html": true, "stripped-signature": true, "message-headers": true, "content-id-map": true,
}

// takeFields delivers a form of Mailgun without files, or what is no form of it.
func (r *uploadRequest) takeFields(text []byte) error {
	fields, err := url.ParseQuery(string(text))
	if err != nil || !isMailgun(fields) {
		return r.takeBody("body", bytes.NewReader(text))
	}
	return r.takeMailgun(fields, func() error {
		mail := fields.Get("body-mime")
		return r.takeInput("body-mime", strings.NewReader(mail), int64(len(mail)))
	})
}

// takeMailgun verifies a form of Mailgun, and delivers what is in it.
func (r *uploadRequest) takeMailgun(fields url.Values, take func() error) error {
	r.final = http.StatusNotAcceptable // Mailgun does not send it again then.
	if r.upload.config.Hooks.MailgunKey == nil {
		if !r.authorized {
			return errUnauthorized
		}
		return take()
	}
	if err := r.upload.verifyMailgun(fields); err != nil {
		return err
	}
	token := fields.Get("token")
	if !r.upload.tokens.use(token, time.Now()) {
		return errUnverified
	}
	err := take()
	if err != nil {
		r.upload.tokens.free(token)
	}
	return err
}
