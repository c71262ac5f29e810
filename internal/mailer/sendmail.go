package mailer

import (
	"bytes"
	"context"
	"fmt"
	"net/mail"
	"os/exec"
	"strings"
	"time"
)

// pipe gives a mail to the sendmail program, which takes lines as the machine
// ends them.
func (c *Config) pipe(ctx context.Context, from string, to []*mail.Address, content []byte) error {
	args := []string{"-i", "-f", from, "--"}
	for _, a := range to {
		args = append(args, a.Address)
	}
	cmd := exec.CommandContext(ctx, c.Sendmail, args...)
	cmd.Stdin = bytes.NewReader(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")))
	var said head
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second // What it has started may keep its output open.
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		text := fmt.Sprintf("send mail through %s: %v", c.Sendmail, err)
		if answer := oneLine(strings.TrimSpace(string(said))); answer != "" {
			text += ": " + answer
		}
		return fmt.Errorf("%s: run it by hand, or use --mail.smtp, which needs no rights on this machine", text)
	}
	return nil
}

// head keeps the beginning of what is written.
type head []byte

func (h *head) Write(p []byte) (int, error) {
	const most = 500
	*h = append(*h, p[:min(len(p), most-min(len(*h), most))]...)
	return len(p), nil
}
