package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// password returns the password of the next session.
type password func(ctx context.Context) (string, error)

// newPassword returns where a password comes from, nil if from nowhere.
func (c credentials) newPassword() password {
	switch {
	case c.PasswordFile != "":
		return func(context.Context) (string, error) { return config.SecretFile(c.PasswordFile).Read() }
	case len(c.PasswordCommand) > 0:
		p := &commandPassword{command: c.PasswordCommand, lifetime: c.PasswordLifetime}
		return p.get
	}
	return nil
}

const (
	defaultLifetime = 10 * time.Minute // IAM tokens live for 15
	commandTimeout  = 10 * time.Second
	maxPassword     = 64 << 10 // bytes
)

// commandPassword is a password that a command prints. It is used for its
// lifetime, and asked for anew before nine tenths of that are over.
type commandPassword struct {
	command  []string
	lifetime time.Duration

	mu    sync.Mutex
	text  string
	until time.Time
}

func (p *commandPassword) get(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return p.text, nil
	}
	lifetime := p.lifetime
	if lifetime <= 0 {
		lifetime = defaultLifetime
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output() // What it prints is not for the log.
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return "", fmt.Errorf("password_command: %s", exit.ProcessState)
		}
		return "", fmt.Errorf("password_command: %w", err)
	}
	out = bytes.TrimRight(out, "\r\n")
	if len(out) == 0 || len(out) > maxPassword {
		return "", errors.New("password_command printed no password")
	}
	p.text, p.until = string(out), time.Now().Add(lifetime*9/10)
	return p.text, nil
}
