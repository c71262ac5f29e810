package dmarcconfig

import (
	"log/slog"

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
