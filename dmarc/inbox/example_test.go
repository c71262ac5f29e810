package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
)

// A Maildir is watched until three records were read. Mails that are done move to
// done/, and what is no report to invalid/.
func ExampleWatch() {
	dir, err := os.MkdirTemp("", "maildir")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			panic(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "new", "1"), []byte(sampleMail), 0o600); err != nil {
		panic(err)
	}

	source, err := inbox.Maildir(dir, inbox.FileConfig{After: inbox.Move, Settle: time.Millisecond})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	err = inbox.Watch(ctx, func(_ context.Context, m *inbox.Message) error {
		// An error of reports.Read refuses the mail, an error of a database would
		// make it wait: what the function returns need not be told apart.
		return reports.Read(m.Body, func(r *reports.Report) error {
			for _, rec := range r.Aggregate.Records {
				fmt.Println(r.Aggregate.Metadata.OrgName, rec.SourceIP, rec.Count)
			}
			stop()
			return nil
		})
	}, inbox.Options{}, source)
	fmt.Println(errors.Is(err, context.Canceled))

	// Output:
	// Example Mail 192.0.2.1 7
	// true
}

// Clients POST reports to a handler, which answers when they are done.
func ExampleUpload() {
	source, handler := inbox.Upload(inbox.UploadConfig{Token: os.Getenv("UPLOAD_TOKEN")})
	http.Handle("POST /reports", handler)
	go func() { _ = http.ListenAndServe("127.0.0.1:8080", nil) }()
	_ = inbox.Watch(context.Background(), func(context.Context, *inbox.Message) error { return nil }, inbox.Options{}, source)
}

// A mailbox of which nothing is deleted needs marks, so that a start does not begin
// with its first mail again.
func ExampleOpenMarks() {
	marks, err := inbox.OpenMarks("/var/lib/reader/marks")
	if err != nil {
		panic(err)
	}
	defer marks.Close()
	source, err := inbox.POP3(inbox.POP3Config{
		Address: "mail.example.com:995", User: "reports",
		Password: func() (string, error) { return os.Getenv("MAIL_PASSWORD"), nil },
	})
	if err != nil {
		panic(err)
	}
	_ = inbox.Watch(context.Background(), func(context.Context, *inbox.Message) error { return nil }, inbox.Options{Marks: marks}, source)
}

const sampleMail = "From: reports@mail.example\r\nSubject: Report domain: example.com\r\n\r\n" +
	"<feedback><report_metadata><org_name>Example Mail</org_name><report_id>1</report_id>" +
	"<date_range><begin>1795996800</begin><end>1796083199</end></date_range></report_metadata>" +
	"<policy_published><domain>example.com</domain><p>none</p></policy_published>" +
	"<record><row><source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated><disposition>none</disposition>" +
	"<dkim>pass</dkim><spf>pass</spf></policy_evaluated></row><identifiers><header_from>example.com</header_from></identifiers>" +
	"<auth_results><spf><domain>example.com</domain><result>pass</result></spf></auth_results></record></feedback>\r\n"
