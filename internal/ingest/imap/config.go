package imap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Security says how the connection is protected.
type Security string

// The kinds of protection. The empty value means SecurityTLS.
const (
	SecurityTLS      Security = "tls"
	SecuritySTARTTLS Security = "starttls"
	SecurityInsecure Security = "insecure-none"
)

// ActionKind says what happens to a mail when its outcome is durable.
type ActionKind string

// The kinds of actions. The empty value means ActionKeep.
const (
	ActionKeep   ActionKind = "keep"   // the mail is not touched; its UID is remembered
	ActionFlag   ActionKind = "flag"   // the mail is marked as seen and with Keyword
	ActionMove   ActionKind = "move"   // the mail moves to Action.Folder
	ActionDelete ActionKind = "delete" // the mail is expunged
)

// Keyword is the keyword that marks processed mails.
const Keyword = "$DMARCProcessed"

// Action is what happens to the mails of one class.
type Action struct {
	Kind ActionKind
	// Folder is where mails move to; it is created when it does not exist.
	Folder string
}

func (a Action) check(class ingest.Class) error {
	switch a.Kind {
	case "", ActionKeep, ActionFlag, ActionDelete:
		if a.Folder != "" {
			return fmt.Errorf("%s mails: a folder needs the action %q", class, ActionMove)
		}
		return nil
	case ActionMove:
		if a.Folder == "" {
			return fmt.Errorf("%s mails: no folder to move to", class)
		}
		return nil
	}
	return fmt.Errorf("%s mails: unknown action %q", class, a.Kind)
}

// Config configures a Mailbox.
type Config struct {
	// Address is a host and a port.
	Address  string
	Security Security
	// TLS may be nil; the name of the server comes from Address.
	TLS *tls.Config
	// Auth logs in.
	Auth Authenticator
	// User appears in the name of the source.
	User string
	// Folders are the folders to read; none means INBOX. Each has a connection of its own.
	Folders []string
	// Counted, Known and Refused are the actions for the classes of mails.
	Counted, Known, Refused Action
	// Poll is how often a folder is searched for new mails, with or without IDLE; 0 means a minute.
	Poll time.Duration
	// NoIdle does not use IDLE even when the server has it.
	NoIdle bool
	// Timeout bounds each command; 0 means 30 seconds.
	Timeout time.Duration
	// MaxBytes is the size of the largest mail that is fetched; 0 means 32 MiB.
	MaxBytes int64
	// Batch is how many mails are handled together, more when many wait; 0 means 50.
	Batch int
	// Attempts is how often a mail is tried that cannot be fetched; 0 means five.
	Attempts int
	// Marks remembers which mails are done. It must not be nil.
	Marks ingest.Marks
	// Logger may be nil.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return c, fmt.Errorf("address: %w", err)
	}
	switch c.Security {
	case "":
		c.Security = SecurityTLS
	case SecurityTLS, SecuritySTARTTLS, SecurityInsecure:
	default:
		return c, fmt.Errorf("unknown security %q", c.Security)
	}
	if c.Auth == nil {
		return c, errors.New("no credentials")
	}
	for class, action := range map[ingest.Class]Action{
		ingest.ClassCounted: c.Counted, ingest.ClassKnown: c.Known, ingest.ClassRefused: c.Refused,
	} {
		if err := action.check(class); err != nil {
			return c, err
		}
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c.TLS = c.TLS.Clone()
	if c.TLS.ServerName == "" {
		c.TLS.ServerName = host
	}
	if len(c.Folders) == 0 {
		c.Folders = []string{"INBOX"}
	}
	setDefault(&c.Poll, time.Minute)
	setDefault(&c.Timeout, 30*time.Second)
	setDefault(&c.MaxBytes, 32<<20)
	setDefault(&c.Batch, 50)
	setDefault(&c.Attempts, 5)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}
