package imap_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox"
	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox/imap"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
)

// Watch a mailbox; what is done moves to one folder, what is no report to another.
func ExampleNew() {
	source, err := imap.New(imap.Config{
		Address: "mail.example.com:993", User: "reports",
		Password: func() (string, error) { return os.Getenv("MAIL_PASSWORD"), nil },
		Actions: inbox.Actions{
			Done:    inbox.Action{After: inbox.Move, Folder: "Done"},
			Refused: inbox.Action{After: inbox.Move, Folder: "No reports"},
		},
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
	}, inbox.Options{Logger: slog.New(slog.DiscardHandler)}, source))

	// Output:
	// imap:reports@mail.example.com
	// context canceled
}
