package main

import (
	"time"

	"github.com/prometheus/common/model"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// webmailConfig is a mailbox that is read over HTTP: by Microsoft Graph or by the API of Gmail.
type webmailConfig struct {
	// URL is the address of the service, if it is not the public one.
	URL      string         `yaml:"url"`
	User     string         `yaml:"user"`
	OAuth2   *oauth2Config  `yaml:"oauth2"`
	Folder   string         `yaml:"folder"`
	Counted  actionConfig   `yaml:"counted"`
	Known    actionConfig   `yaml:"known"`
	Refused  actionConfig   `yaml:"refused"`
	Poll     model.Duration `yaml:"poll"`
	Timeout  model.Duration `yaml:"timeout"`
	MaxBytes int64          `yaml:"max_bytes"`
}

// webmails makes the sources of a list, with the constructor of their service.
func (b *builder) webmails(list []webmailConfig, open func(ingest.WebmailConfig) (*ingest.Webmail, error)) error {
	action := func(a actionConfig) ingest.MailAction {
		return ingest.MailAction{Kind: ingest.After(a.Action), Folder: a.Folder}
	}
	for i := range list {
		c := &list[i]
		source, err := open(ingest.WebmailConfig{
			URL: c.URL, User: c.User, Token: newTokens(c.OAuth2).get, Folder: c.Folder,
			Counted: action(c.Counted), Known: action(c.Known), Refused: action(c.Refused),
			Poll: time.Duration(c.Poll), Timeout: time.Duration(c.Timeout), MaxBytes: mailBytes(c.MaxBytes), Marks: b.marks, Logger: b.logger,
		})
		if err != nil {
			return err
		}
		if err := b.add(c, source); err != nil {
			return err
		}
	}
	return nil
}
