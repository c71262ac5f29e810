package ingest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
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
	// Hooks says whose web hooks need no token.
	Hooks Hooks
	// Logger may be nil.
	Logger *slog.Logger
}

// Upload is the source for reports that clients POST: the raw bytes of a
// report in any container, a form (multipart/form-data) with any number of files,
// or the web hook of a mail service with a mail in it. It answers when the outcome is durable, so that sending the same
// request again is safe. It serves HTTP by itself; Run only says to whom it delivers.
type Upload struct {
	health
	config  UploadConfig
	deliver chan Deliver
	// hooking holds a value while a web hook is in memory.
	hooking      chan struct{}
	tokens       mailgunTokens
	certificates snsCertificates
}

// NewUpload returns an Upload.
func NewUpload(c UploadConfig) *Upload {
	setDefault(&c.Name, "http")
	setDefault(&c.MaxBytes, Limits().Memory)
	setDefault(&c.Timeout, 30*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Hooks.Client == nil {
		c.Hooks.Client = &http.Client{Timeout: c.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Upload{health: newHealth(c.Name), config: c, deliver: make(chan Deliver), hooking: make(chan struct{}, 1)}
}

// Accepts says that clients bring the reports.
func (u *Upload) Accepts() {}

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
	case !u.authorized(r) && !u.config.Hooks.signed():
		unauthorized(w)
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
	switch status, body := u.take(r); status {
	case http.StatusUnauthorized:
		unauthorized(w)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "30")
		answer(w, status, body)
	default:
		answer(w, status, body)
	}
}

// unauthorized asks for the token.
func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="reports"`)
	w.Header().Add("WWW-Authenticate", `Basic realm="reports"`)
	answer(w, http.StatusUnauthorized, failure("unauthorized", "a bearer token is required"))
}

// tokenHeader has the token where Authorization is for the web server.
const tokenHeader = "X-Upload-Token"

// authorized compares the token in constant time. Web hooks, which know only
// addresses, have it as the password of the address.
func (u *Upload) authorized(r *http.Request) bool {
	if u.config.Token == "" {
		return !u.config.Hooks.signed()
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if _, password, ok := r.BasicAuth(); ok {
		scheme, token = "Bearer", password
	}
	if own := r.Header.Get(tokenHeader); own != "" {
		scheme, token = "Bearer", own
	}
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
	request := &uploadRequest{upload: u, Request: r, deliver: deliver, authorized: u.authorized(r)}
	err := request.take()
	if err != nil {
		return u.failed(err)
	}
	status := uploadStatus(&request.result)
	if status >= 400 && request.final != 0 {
		status = request.final
	}
	if request.done {
		return http.StatusOK, uploadAnswer{}
	}
	return status, items(&request.result)
}

// failed answers for a delivery that was not recorded.
func (u *Upload) failed(err error) (int, uploadAnswer) {
	var input *InputError
	var large *http.MaxBytesError
	var refused *dmarc.Error
	switch {
	case errors.Is(err, errUnauthorized), errors.Is(err, errUnverified):
		u.config.Logger.Warn("a web hook was refused", "source", u.status.Name, "err", err)
		return http.StatusUnauthorized, uploadAnswer{}
	case errors.As(err, &refused):
		return http.StatusUnprocessableEntity, failure(refused.Reason, refused.Error())
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, failure(dmarc.ReasonTooLarge, "the request is too large")
	case errors.Is(err, ErrNotNow):
		return http.StatusServiceUnavailable, failure(dmarc.ReasonIO, "the report cannot be taken now, because its mail cannot be authenticated, it is from the future, or what takes it failed: try again later")
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
	case dmarc.ReasonTooLarge, dmarc.ReasonTooMany, dmarc.ReasonTooDeep, dmarc.ReasonRatio, dmarc.ReasonTooCostly:
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
