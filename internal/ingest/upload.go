package ingest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// UploadConfig configures an Upload. The zero value works and lets everybody upload.
type UploadConfig struct {
	// Name is the name of the source; empty means "http".
	Name string
	// Token is the bearer token that clients must send; empty means that no
	// token is needed here, because the web server asks for credentials.
	Token string
	// Only accepts a single kind of report; empty accepts all.
	Only unpack.Kind
	// MaxBytes is the size of the largest request; 0 means the memory that Limits allow.
	MaxBytes int64
	// Timeout is how long a client may take to send a request; 0 means 30 seconds.
	Timeout time.Duration
	// Logger may be nil.
	Logger *slog.Logger
}

// Upload is the source for reports that clients POST: the raw bytes of a
// report in any container, or a form (multipart/form-data) with any number of
// files. It answers when the outcome is durable, so that sending the same
// request again is safe. It serves HTTP by itself; Run only says to whom it delivers.
type Upload struct {
	health
	config  UploadConfig
	deliver chan Deliver
}

// NewUpload returns an Upload.
func NewUpload(c UploadConfig) *Upload {
	setDefault(&c.Name, "http")
	setDefault(&c.MaxBytes, Limits().Memory)
	setDefault(&c.Timeout, 30*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Upload{health: newHealth(c.Name), config: c, deliver: make(chan Deliver)}
}

// Run lends deliver to the requests until ctx ends.
func (u *Upload) Run(ctx context.Context, deliver Deliver) error {
	u.set(nil)
	for {
		select {
		case u.deliver <- deliver:
		case <-ctx.Done():
			u.set(ctx.Err())
			return ctx.Err()
		}
	}
}

// uploadItem is the answer for one report.
type uploadItem struct {
	Name     string       `json:"name,omitempty"`
	Kind     unpack.Kind  `json:"kind,omitempty"`
	Org      string       `json:"org,omitempty"`
	Domain   string       `json:"domain,omitempty"`
	ReportID string       `json:"report_id,omitempty"`
	Outcome  string       `json:"outcome"`
	Error    *uploadError `json:"error,omitempty"`
}

type uploadError struct {
	Reason  dmarc.Reason `json:"reason"`
	Message string       `json:"message"`
}

// uploadAnswer is the body of every answer.
type uploadAnswer struct {
	Reports []uploadItem `json:"reports,omitempty"`
	Error   *uploadError `json:"error,omitempty"`
}

// ServeHTTP takes one upload.
func (u *Upload) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, failure("method", "use POST"))
		return
	case !u.authorized(r):
		w.Header().Set("WWW-Authenticate", `Bearer realm="reports"`)
		answer(w, http.StatusUnauthorized, failure("unauthorized", "a bearer token is required"))
		return
	case r.ContentLength > u.config.MaxBytes:
		answer(w, http.StatusRequestEntityTooLarge, failure(dmarc.ReasonTooLarge, "the request is too large"))
		return
	}
	// Slow senders are cut off. A server without deadlines, such as that of a test, is none of our business.
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(u.config.Timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		u.config.Logger.Debug("cannot limit the time of a request", "err", err)
	}
	r.Body = http.MaxBytesReader(w, r.Body, u.config.MaxBytes)
	status, body := u.take(r)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	answer(w, status, body)
}

// authorized compares the token in constant time.
func (u *Upload) authorized(r *http.Request) bool {
	if u.config.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(u.config.Token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// take delivers what a request carries and returns the answer.
func (u *Upload) take(r *http.Request) (int, uploadAnswer) {
	var deliver Deliver
	select {
	case deliver = <-u.deliver:
	case <-r.Context().Done():
		return http.StatusServiceUnavailable, failure(dmarc.ReasonIO, "the request was cancelled")
	case <-time.After(time.Second):
		return http.StatusServiceUnavailable, failure(dmarc.ReasonIO, "not ready, try again later")
	}
	var result Result
	err := eachUpload(r, func(name string, body io.Reader) error {
		spool, err := NewSpool(body)
		if err != nil {
			return err
		}
		defer spool.Close()
		one, err := deliver.One(r.Context(), &Delivery{Source: u.status.Name, Name: name, Body: spool, Size: spool.Size, Only: u.config.Only})
		for _, item := range one.Items {
			result.add(item, item.Outcome == tally.OutcomeCounted)
		}
		return err
	})
	if err != nil {
		return u.failed(err)
	}
	return uploadStatus(&result), items(&result)
}

// eachUpload calls visit for the body of a request, or for each file of a form.
func eachUpload(r *http.Request, visit func(name string, body io.Reader) error) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return visit("body", r.Body)
	}
	form, err := r.MultipartReader()
	if err != nil {
		return &InputError{Err: err}
	}
	for {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &InputError{Err: err}
		}
		name := part.FileName()
		if name == "" {
			name = part.FormName()
		}
		if err := visit(name, part); err != nil {
			return err
		}
	}
}

// failed answers for a delivery that was not recorded.
func (u *Upload) failed(err error) (int, uploadAnswer) {
	var input *InputError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, failure(dmarc.ReasonTooLarge, "the request is too large")
	case errors.Is(err, ErrNotNow):
		return http.StatusServiceUnavailable, failure(dmarc.ReasonIO, "the report cannot be taken now, because its mail cannot be authenticated or it is from the future: try again later")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout, failure(dmarc.ReasonIO, "the request took too long")
	case errors.As(err, &input):
		return http.StatusBadRequest, failure(dmarc.ReasonIO, "the request could not be read")
	}
	u.config.Logger.Error("upload was not recorded", "source", u.status.Name, "err", err)
	return http.StatusServiceUnavailable, failure(dmarc.ReasonIO, "the reports could not be recorded, try again later")
}

// uploadStatus returns the status for a delivery that was recorded.
func uploadStatus(r *Result) int {
	if r.Class() != ClassRefused {
		return http.StatusOK
	}
	switch r.Reason() {
	case dmarc.ReasonTooLarge, dmarc.ReasonTooMany, dmarc.ReasonTooDeep, dmarc.ReasonRatio:
		return http.StatusRequestEntityTooLarge
	case dmarc.ReasonUnsupported, dmarc.ReasonEncrypted, dmarc.ReasonEncoding:
		return http.StatusUnsupportedMediaType
	}
	return http.StatusUnprocessableEntity
}

// items lists what became of each report. The first refusal is repeated at
// the top when nothing was accepted.
func items(r *Result) uploadAnswer {
	var a uploadAnswer
	for _, item := range r.Items {
		out := uploadItem{
			Name: item.Name, Kind: item.Kind, Org: item.Org, Domain: item.Domain,
			ReportID: item.ReportID, Outcome: string(item.Outcome),
		}
		if item.Err != nil {
			out.Error = &uploadError{Reason: item.Err.Reason, Message: item.Err.Error()}
			if a.Error == nil && r.Class() == ClassRefused {
				a.Error = out.Error
			}
		}
		a.Reports = append(a.Reports, out)
	}
	if len(a.Reports) == 0 {
		a.Error = &uploadError{Reason: dmarc.ReasonEmpty, Message: "the request holds no file"}
	}
	return a
}

func failure(reason dmarc.Reason, message string) uploadAnswer {
	return uploadAnswer{Error: &uploadError{Reason: reason, Message: message}}
}

// answer writes a JSON answer. A client that is gone cannot be told.
func answer(w http.ResponseWriter, status int, body uploadAnswer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
