package inbox

import (
	"net/http"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// UploadConfig configures an Upload. The zero value works and lets everybody upload.
type UploadConfig struct {
	// Name is the name of the source; empty means "http".
	Name string
	// Token is the bearer token that clients must send; empty means that no token is
	// needed here, because the web server asks for credentials.
	Token string
	// MaxBytes is the size of the largest request; 0 means about 64 MB.
	MaxBytes int64
	// Timeout is how long a client may take to send a request; 0 means 30 seconds.
	Timeout time.Duration
}

// Upload takes what clients POST to the handler: the raw bytes of a report in any
// container, a form (multipart/form-data) with any number of files, or the web hook
// of a mail service with a mail in it. The handler answers when the inputs are done,
// with 200 OK, with 422 Unprocessable Content when all were refused, and with 503
// Service Unavailable when they wait and while no Watch has the source.
func Upload(c UploadConfig) (Source, http.Handler) {
	upload := ingest.NewUpload(ingest.UploadConfig{Name: c.Name, Token: c.Token, MaxBytes: c.MaxBytes, Timeout: c.Timeout})
	return Source{name: upload.Status().Name, open: func(ingest.Options) (ingest.Source, error) { return upload, nil }}, upload
}
