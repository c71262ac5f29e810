package store

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Marks returns what a source noted about inputs, by key; inputs without a
// note are left out.
func (s *Store) Marks(ctx context.Context, source string, keys ...string) (map[string]string, error) {
	quoted := make([]string, len(keys))
	for i, key := range keys {
		quoted[i] = quoteMark(key)
	}
	source = quoteMark(source)
	marks, err := s.db.Marks(ctx, source, quoted)
	if err := s.read(ctx, err); err != nil {
		return nil, err
	}
	found := make(map[string]string, len(marks))
	for _, m := range marks {
		// One that is damaged is none: its input is read again and recognised by
		// the identity of its reports.
		if m == newMark(source, m.Key, m.Value) {
			found[unquoteMark(m.Key)] = unquoteMark(m.Value)
		}
	}
	return found, nil
}

// newMark makes a mark of quoted texts.
func newMark(source, key, value string) Mark {
	return Mark{source, key, value, guard("marks", []any{source, key, value})}
}

// Forget drops the marks of a source for which keep returns false, such as
// those of files that are gone. Commits go on in between; keep may take its time.
func (s *Store) Forget(ctx context.Context, source string, keep func(key string) bool) error {
	const most = 1000
	source = quoteMark(source)
	for after := ""; ; {
		keys, err := s.db.MarkKeys(ctx, source, after, most)
		if err := s.read(ctx, err); err != nil || len(keys) == 0 {
			return err
		}
		after = keys[len(keys)-1]
		var gone []string
		for _, key := range keys {
			if !keep(unquoteMark(key)) {
				gone = append(gone, key)
			}
		}
		if len(gone) == 0 {
			continue
		}
		err = s.do(ctx, &request{run: func(w *writing) error { return w.tx.DropMarks(source, gone) }})
		if err != nil {
			return err
		}
	}
}

// quoteMark makes of a source, or of what it noted, a text that every database
// takes: names of files may be no UTF-8. What needs no quotes stays readable.
func quoteMark(s string) string {
	if utf8.ValidString(s) && !strings.ContainsRune(s, 0) && !strings.HasPrefix(s, `"`) {
		return s
	}
	return strconv.Quote(s)
}

func unquoteMark(s string) string {
	if plain, err := strconv.Unquote(s); err == nil && strings.HasPrefix(s, `"`) {
		return plain
	}
	return s
}
