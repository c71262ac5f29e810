package s3_test

import (
	"context"
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox"
	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox/s3"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
)

// Amazon SES puts the mails of the address of rua into a bucket.
func ExampleNew() {
	source, err := s3.New(s3.Config{
		Region: "eu-west-1", Bucket: "reports", Prefix: "inbox/",
		After: inbox.Move, MovedPrefix: "done/", RefusedPrefix: "refused/",
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(source.Name())

	keep := func(r *reports.Report) error { return nil } // into a database, whose error makes the mail wait
	ctx, stop := context.WithCancel(context.Background())
	stop() // Without that it watches for ever.
	fmt.Println(inbox.Watch(ctx, func(_ context.Context, m *inbox.Message) error {
		return reports.Read(m.Body, keep)
	}, inbox.Options{}, source))

	// Output:
	// s3:reports/inbox/
	// context canceled
}
