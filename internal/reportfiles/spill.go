package reportfiles

import (
	"bytes"
	"io"
	"os"
)

// spillMemory is how much text a spill holds in memory.
const spillMemory = 256 << 10

// spill collects text, of which a large one goes to a temporary file.
type spill struct {
	memory bytes.Buffer
	file   *os.File
	size   int64
	err    error
}

// Write adds text. It never fails; what went wrong is in err.
func (s *spill) Write(p []byte) (int, error) {
	if s.err != nil {
		return len(p), nil
	}
	s.size += int64(len(p))
	s.memory.Write(p)
	if s.memory.Len() < spillMemory {
		return len(p), nil
	}
	if s.file == nil {
		if s.file, s.err = os.CreateTemp("", "dmarc-archive-*"); s.err != nil {
			return len(p), nil
		}
		// Where the system allows it, the file is gone even if the process is killed.
		_ = os.Remove(s.file.Name())
	}
	if _, s.err = s.memory.WriteTo(s.file); s.err != nil {
		s.memory.Reset() // Its rest is of no use.
	}
	return len(p), nil
}

// writeTo writes all of the text.
func (s *spill) writeTo(w io.Writer) error {
	r, err := s.reader()
	if err == nil {
		_, err = io.Copy(w, r)
	}
	return err
}

// reader returns a reader of all of the text.
func (s *spill) reader() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.memory.Bytes()), nil
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return io.MultiReader(s.file, bytes.NewReader(s.memory.Bytes())), err
}

// reset drops the text.
func (s *spill) reset() {
	s.memory.Reset()
	s.size, s.err = 0, nil
	if s.file != nil {
		s.file.Close() // It has no name any more.
		s.file = nil
	}
}
