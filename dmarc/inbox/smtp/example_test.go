package smtp_test

import (
	"context"
	"fmt"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox"
	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox/smtp"
)

// Another mail server delivers the mail of the address of rua by LMTP.
func ExampleNew() {
	source, err := smtp.New(smtp.Config{Listen: "unix:/run/reports/lmtp", LMTP: true, Recipients: []string{"rua@example.com"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(source.Name())

	ctx, stop := context.WithCancel(context.Background())
	stop() // Without that it listens for ever.
	fmt.Println(inbox.Watch(ctx, func(_ context.Context, m *inbox.Message) error {
		_, err := io.Copy(io.Discard, m.Body) // The sender has its 250 when this function has returned nil.
		return err
	}, inbox.Options{}, source))

	// Output:
	// lmtp:unix:/run/reports/lmtp
	// context canceled
}
