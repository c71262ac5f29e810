package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// spoolMemory is how much of an input a Spool holds in memory.
const spoolMemory = 256 << 10

// Spool is an input that was received whole: a small one in memory, a large
// one in a temporary file. Inputs from a network are spooled before they are
// delivered, so that a slow sender delays nobody else.
type Spool struct {
	io.Reader
	// Size is the number of bytes.
	Size int64
	file *os.File
}

// NewSpool reads r to its end. An error of r is an *InputError; other errors
// are those of the temporary file. The caller closes the Spool.
func NewSpool(r io.Reader) (*Spool, error) {
	var head bytes.Buffer
	input := &inputReader{r: r}
	if _, err := io.CopyN(&head, input, spoolMemory); err != nil {
		if input.err != nil {
			return nil, &InputError{Err: input.err}
		}
		return &Spool{Reader: &head, Size: int64(head.Len())}, nil
	}
	file, err := os.CreateTemp("", "dmarc-spool-*")
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	// Where the system allows it, the file is gone even if the process is killed.
	_ = os.Remove(file.Name())
	s := &Spool{file: file}
	if err := s.fill(&head, input); err != nil {
		s.Close()
		return nil, err
	}
	s.Reader = file
	return s, nil
}

func (s *Spool) fill(head, rest io.Reader) error {
	n, err := io.Copy(s.file, io.MultiReader(head, rest))
	if input, ok := rest.(*inputReader); ok && input.err != nil {
		return &InputError{Err: input.err}
	}
	s.Size = n
	if err == nil {
		_, err = s.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Close frees the temporary file, if there is one.
func (s *Spool) Close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}

// inputReader remembers the error that ended an input, and as much of its start
// as head has room for.
type inputReader struct {
	r    io.Reader
	err  error
	head []byte
	size int64 // what the source says
}

// Len is how long the input is expected to be, for unpack.Walker.
func (r *inputReader) Len() int { return int(min(r.size, math.MaxInt)) }

func (r *inputReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.head = append(r.head, p[:min(n, cap(r.head)-len(r.head))]...)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// begins reports whether the input begins with a mail, maybe behind the line that
// begins an mbox.
func (r *inputReader) begins(mail *unpack.Mail) bool {
	if mail == nil {
		return false
	}
	head := bytes.TrimLeft(r.head, "\ufeff \t\r\n")
	if bytes.HasPrefix(head, []byte("From ")) {
		_, head, _ = bytes.Cut(head, []byte("\n"))
	}
	raw := bytes.TrimLeft(mail.Raw, "\ufeff \t\r\n")
	n := min(len(head), len(raw))
	return n > 0 && bytes.Equal(head[:n], raw[:n])
}

// mail returns the header of the mail that the input may be.
func (r *inputReader) mail() *unpack.Mail {
	header, _ := cutHeader(r.head)
	return &unpack.Mail{Header: header}
}

// cutHeader returns the header at the start of a mail, as far as it is there, and
// reports whether its end is.
func cutHeader(start []byte) (header []byte, ended bool) {
	for _, end := range []string{"\n\n", "\n\r\n"} {
		var found bool
		start, _, found = bytes.Cut(start, []byte(end))
		ended = ended || found
	}
	return start, ended
}
