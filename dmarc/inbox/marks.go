package inbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Marks remembers in a file which inputs are done that stay where they are, such
// as the mails of a mailbox that nothing is deleted from. It is safe for concurrent
// use. The file is for one process: what another one writes may be lost, so that
// inputs are handed out once more.
type Marks struct {
	mu      sync.Mutex
	file    *os.File // nil where they are only in memory
	size    int64    // of what is durable in file
	lines   int      // in file
	sources map[string]map[string]string
}

// mark is a line of the file. One without a value is of an input that is gone.
type mark struct {
	Source string  `json:"source"`
	Key    string  `json:"key"`
	Value  *string `json:"value,omitempty"`
}

func newMarks() *Marks { return &Marks{sources: map[string]map[string]string{}} }

// OpenMarks reads the file at path, which is created when it does not exist. The
// end of a line that a crash has cut off is dropped; any other damage is an error.
// The caller closes the Marks.
func OpenMarks(path string) (*Marks, error) {
	m := newMarks()
	if err := m.open(path); err != nil {
		_ = m.Close()
		return nil, fmt.Errorf("open marks: %w", err)
	}
	return m, nil
}

func (m *Marks) open(path string) (err error) {
	if m.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return err
	}
	in := bufio.NewReader(m.file)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		var one mark
		if err := json.Unmarshal(line, &one); err != nil {
			return fmt.Errorf("%s: line %d: %w", path, m.lines+1, err)
		}
		m.set(one)
		m.lines, m.size = m.lines+1, m.size+int64(len(line))
	}
	if m.lines > 2*m.len()+1000 {
		return m.compact(path)
	}
	return errors.Join(m.file.Truncate(m.size), syncDirectory(path))
}

// Close frees the file.
func (m *Marks) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}

func (m *Marks) len() (n int) {
	for _, keys := range m.sources {
		n += len(keys)
	}
	return n
}

func (m *Marks) set(one mark) {
	keys := m.sources[one.Source]
	if one.Value == nil {
		delete(keys, one.Key)
		return
	}
	if keys == nil {
		keys = map[string]string{}
		m.sources[one.Source] = keys
	}
	keys[one.Key] = *one.Value
}

// compact replaces the file by one without lines that say nothing any more.
func (m *Marks) compact(path string) error {
	next, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var all []mark
	for source, keys := range m.sources {
		for key, value := range keys {
			all = append(all, mark{source, key, &value})
		}
	}
	old := m.file
	m.file, m.size, m.lines = next, 0, 0
	if err := old.Close(); err != nil {
		return err
	}
	if err := m.write(all); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), path); err != nil {
		return err
	}
	return syncDirectory(path)
}

// write appends marks, which are durable afterwards or not there at all.
func (m *Marks) write(all []mark) error {
	if m.file == nil || len(all) == 0 {
		return nil
	}
	var text []byte
	for _, one := range all {
		line, err := json.Marshal(one)
		if err != nil {
			return err
		}
		text = append(append(text, line...), '\n')
	}
	_, err := m.file.Write(text)
	if err == nil {
		err = m.file.Sync()
	}
	if err != nil {
		return errors.Join(err, m.file.Truncate(m.size))
	}
	m.size, m.lines = m.size+int64(len(text)), m.lines+len(all)
	return nil
}

// put keeps values by source and key.
func (m *Marks) put(done map[string]map[string]string) error {
	var all []mark
	for source, keys := range done {
		for key, value := range keys {
			all = append(all, mark{source, key, &value})
		}
	}
	return m.keep(all)
}

func (m *Marks) keep(all []mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.write(all); err != nil {
		return fmt.Errorf("keep marks: %w", err)
	}
	for _, one := range all {
		m.set(one)
	}
	return nil
}

// remembered are Marks as sources see them.
type remembered struct{ *Marks }

func (m remembered) Lookup(ctx context.Context, source, key string) (ingest.Committed, bool, error) {
	found, err := m.LookupAll(ctx, source, []string{key})
	c, ok := found[key]
	return c, ok, err
}

func (m remembered) LookupAll(_ context.Context, source string, keys []string) (map[string]ingest.Committed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]ingest.Committed{}
	for _, key := range keys {
		if text, ok := m.sources[source][key]; ok {
			found[key] = ingest.DecodeMark(text)
		}
	}
	return found, nil
}

func (m remembered) Forget(_ context.Context, source string, keep func(key string) bool) error {
	m.mu.Lock()
	var gone []mark
	for key := range m.sources[source] {
		if !keep(key) {
			gone = append(gone, mark{Source: source, Key: key})
		}
	}
	m.mu.Unlock()
	return m.keep(gone)
}

// syncDirectory makes the name of a file durable.
func syncDirectory(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
