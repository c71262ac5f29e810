package dmarcconfig

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Past returns what the sources may have read: the files in folders with all below
// them, and mailboxes and buckets with one folder or prefix each, which stay as they are.
func (c *Sources) Past(logger *slog.Logger) (folders []string, mailboxes []ingest.Source, err error) {
	for _, list := range [][]Folder{c.Directories, c.Maildirs, c.Mboxes} {
		for _, f := range list {
			folders = append(folders, string(f.Path))
		}
	}
	for _, one := range c.apart() {
		sources, err := one.Build(nil, logger)
		if err != nil {
			return nil, nil, err
		}
		for _, source := range sources {
			mailboxes = append(mailboxes, source)
		}
	}
	return folders, mailboxes, nil
}

// apart returns the mailboxes and buckets of sources, one for each folder or
// prefix that is read or moved to.
func (c *Sources) apart() (all []Sources) {
	for _, m := range c.IMAP {
		folders := m.Folders
		if len(folders) == 0 {
			folders = []string{"INBOX"}
		}
		for _, folder := range moved(folders, &m.Actions) {
			m := m
			m.Folders, m.Actions, m.Once, m.NoIdle = []string{folder}, ingest.Actions{}, true, true
			all = append(all, Sources{IMAP: []IMAP{m}})
		}
	}
	for _, m := range c.POP3 {
		m.After, m.Refused, m.Once = ingest.AfterKeep, RefusedKeep, true
		all = append(all, Sources{POP3: []POP3{m}})
	}
	webmail := func(list []Webmail, put func(*Sources, Webmail)) {
		for _, m := range list {
			for _, folder := range moved([]string{m.Folder}, &m.Actions) {
				m := m
				m.Folder, m.Actions, m.Once = folder, ingest.Actions{}, true
				var one Sources
				put(&one, m)
				all = append(all, one)
			}
		}
	}
	webmail(c.Graph, func(s *Sources, m Webmail) { s.Graph = []Webmail{m} })
	webmail(c.Gmail, func(s *Sources, m Webmail) { s.Gmail = []Webmail{m} })
	for _, b := range c.S3 {
		prefixes := []string{b.Prefix}
		if !strings.HasPrefix(b.MovedPrefix, b.Prefix) {
			prefixes = append(prefixes, b.MovedPrefix)
		}
		for _, prefix := range prefixes {
			b := b
			b.Prefix, b.After, b.MovedPrefix, b.RefusedPrefix, b.Once = prefix, ingest.AfterKeep, "", "", true
			all = append(all, Sources{S3: []S3{b}})
		}
	}
	return all
}

// moved adds to folders those that mails with reports are moved to.
func moved(folders []string, actions *ingest.Actions) []string {
	all := slices.Clone(folders)
	for _, action := range []ingest.Action{actions.Counted, actions.Known} {
		if action.Kind != ingest.AfterMove {
			continue
		}
		if !slices.Contains(all, action.Folder) {
			all = append(all, action.Folder)
		}
	}
	return all
}
