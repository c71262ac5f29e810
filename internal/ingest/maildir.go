package ingest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Maildir is a source that reads a Maildir: every mail in new/, and those in
// cur/ that nobody has seen, because mail programs move mails there when they
// merely list a folder. A processed mail that stays becomes a seen one in
// cur/. The folders done/ and invalid/ lie beside new/ and cur/, where mail
// programs do not look.
type Maildir struct {
	files
}

// NewMaildir returns a source for the Maildir at path. Its name is "maildir:" and the path.
func NewMaildir(path string, c FileConfig) *Maildir {
	path = filepath.Clean(path)
	c = c.withDefaults()
	m := &Maildir{files{
		health:  newHealth("maildir:" + path),
		config:  c,
		trials:  NewTrials[string](c.Options),
		notices: NewNotices(c.Logger.With("source", "maildir:"+path)),
		folders: []string{filepath.Join(path, "new"), filepath.Join(path, "cur")},
		wanted:  unseenMail,
		dispose: disposal{root: path, after: c.After, keepRefused: c.KeepRefused},
	}}
	m.dispose.keep = m.see
	// Writers of a Maildir rename finished mails into new/.
	m.config.Settle, m.config.Patience = 1, 1
	return m
}

// flagsOf splits the base name of a mail into its unique part and its flags.
func flagsOf(path string) (unique, flags string) {
	unique, info, _ := strings.Cut(filepath.Base(path), ":")
	flags, _ = strings.CutPrefix(info, "2,")
	return unique, flags
}

// unseenMail reports whether a file is a mail without the flags S (seen) and T (trashed).
func unseenMail(path string) bool {
	_, flags := flagsOf(path)
	return !strings.HasPrefix(filepath.Base(path), ".") && !strings.ContainsAny(flags, "ST")
}

// see moves a mail to cur/ with the flag S.
func (m *Maildir) see(path string) error {
	unique, flags := flagsOf(path)
	target := filepath.Join(m.dispose.root, "cur", unique+":2,"+withSeen(flags))
	if err := os.Rename(path, target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mark mail as seen: %w", err)
	}
	return nil
}

// withSeen adds S to flags, which are in ASCII order.
func withSeen(flags string) string {
	i := strings.IndexFunc(flags, func(r rune) bool { return r > 'S' })
	if i < 0 {
		return flags + "S"
	}
	return flags[:i] + "S" + flags[i:]
}
