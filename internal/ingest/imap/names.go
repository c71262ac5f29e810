package imap

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// names is what a session knows of the names of folders on its server.
type names struct {
	asked     bool
	prefix    string // of the personal namespace
	delimiter string
	found     map[string]string // names on the server, by those of the configuration
}

// find returns the name of a folder on the server, and whether it exists. A
// folder is configured as people know it; where all folders are below the
// INBOX, or where levels are divided by dots, the server has another name for it.
func (s *session) find(ctx context.Context, folder string) (name string, exists bool, err error) {
	if strings.EqualFold(folder, inbox) {
		return inbox, true, nil
	}
	if name, ok := s.names.found[folder]; ok {
		return name, true, nil
	}
	if err := s.askNames(ctx); err != nil {
		return "", false, err
	}
	candidates := s.names.candidates(folder)
	for _, candidate := range candidates {
		there := false
		err := s.try(ctx, "list folders", func() error {
			all, err := s.client.List("", candidate, nil).Collect()
			for _, one := range all {
				there = there || len(one.Attrs) == 0 && one.Mailbox == candidate
			}
			return err
		})
		if err != nil {
			return "", false, err
		}
		if there {
			s.names.know(folder, candidate)
			return candidate, true, nil
		}
	}
	return candidates[len(candidates)-1], false, nil
}

func (n *names) know(folder, name string) {
	if n.found == nil {
		n.found = make(map[string]string)
	}
	n.found[folder] = name
}

// candidates are the names that a folder may have, the one to create it by last.
func (n *names) candidates(folder string) []string {
	all := []string{folder}
	name := folder
	if n.delimiter != "" {
		name = strings.ReplaceAll(name, "/", n.delimiter)
	}
	if name != folder {
		all = append(all, name)
	}
	if n.prefix != "" && !strings.HasPrefix(strings.ToUpper(name), strings.ToUpper(n.prefix)) {
		all = append(all, n.prefix+name)
	}
	return all
}

// askNames asks for the namespace (RFC 2342) and the delimiter, once. Without
// NAMESPACE only the delimiter is known, and whether folders are below the INBOX.
func (s *session) askNames(ctx context.Context) error {
	n := &s.names
	if n.asked {
		return nil
	}
	n.asked = true
	if s.client.Caps().Has(imap.CapNamespace) {
		return s.try(ctx, "ask for namespace", func() error {
			data, err := s.client.Namespace().Wait()
			if err == nil && len(data.Personal) > 0 {
				n.prefix, n.delimiter = data.Personal[0].Prefix, delimiter(data.Personal[0].Delim)
			}
			return err
		})
	}
	return s.try(ctx, "list folders", func() error {
		all, err := s.client.List("", "%", nil).Collect()
		outside := 0
		for _, one := range all {
			n.delimiter = delimiter(one.Delim)
			if !strings.EqualFold(one.Mailbox, inbox) {
				outside++
			}
		}
		if err == nil && len(all) == 1 && outside == 0 && n.delimiter == "." {
			n.prefix = inbox + n.delimiter // as Courier does, which has nothing beside the INBOX
		}
		return err
	})
}

func delimiter(r rune) string {
	if r == 0 {
		return ""
	}
	return string(r)
}
