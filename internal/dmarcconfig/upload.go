package dmarcconfig

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Uploads are the sources that clients of the web server send reports to; nil
// ones are closed.
type Uploads struct{ Reports, TLSReports *ingest.Upload }

// Uploads makes them; nil opens none.
func (c *HTTP) Uploads(logger *slog.Logger) (Uploads, error) {
	if c == nil {
		return Uploads{}, nil
	}
	token, err := c.Token.Read()
	if err != nil {
		return Uploads{}, err
	}
	upload := ingest.UploadConfig{
		Name: "http:/v1/reports", Token: token, MaxBytes: c.MaxBytes, Timeout: c.Timeout, Logger: logger,
	}
	if c.SNS != nil {
		upload.Hooks.Topics = c.SNS.Topics
	}
	if c.Mailgun != nil {
		upload.Hooks.MailgunKey = c.Mailgun.SigningKey.Read
	}
	open := Uploads{Reports: ingest.NewUpload(upload)}
	if c.TLSReports {
		upload.Name, upload.Token, upload.Only, upload.Hooks = "http:/v1/tlsrpt", "", unpack.KindTLS, ingest.Hooks{}
		open.TLSReports = ingest.NewUpload(upload)
	}
	return open, nil
}

// UploadRoutes are the routes of uploads. Which of them are open may change with
// the configuration, so each has a route all the time. Its zero value has none open.
type UploadRoutes struct {
	reports, tlsReports atomic.Pointer[ingest.Upload]
}

// Set opens and closes uploads and adds the open ones to the sources. An
// upload has nothing to lose by a restart, so that each gets a new key.
func (u *UploadRoutes) Set(open Uploads, sources map[string]ingest.Source) {
	u.reports.Store(open.Reports)
	u.tlsReports.Store(open.TLSReports)
	for _, one := range []*ingest.Upload{open.Reports, open.TLSReports} {
		if one != nil {
			sources[fmt.Sprintf("%p", one)] = one
		}
	}
}

// Handlers returns the routes by their patterns.
func (u *UploadRoutes) Handlers() map[string]http.Handler {
	route := func(p *atomic.Pointer[ingest.Upload]) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if upload := p.Load(); upload != nil {
				upload.ServeHTTP(w, r)
				return
			}
			http.NotFound(w, r)
		})
	}
	return map[string]http.Handler{"/v1/reports": route(&u.reports), "/v1/tlsrpt": route(&u.tlsReports)}
}
