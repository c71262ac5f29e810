package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// What the records of a report are told in: a tag, the size of what follows,
// and that.
const (
	tagContent = 1 // id, texts
	tagRecord  = 2 // content, count, source
	tagSender  = 3 // source, network, guess, AS name, country, AS number
)

// told is one thing that the records of a report are told in. What it holds is
// valid until the next one is read.
type told struct {
	tag  byte
	data []byte
}

// id takes an id off the front.
func (t *told) id() int64 {
	if len(t.data) < 8 {
		return 0
	}
	id := int64(binary.BigEndian.Uint64(t.data))
	t.data = t.data[8:]
	return id
}

// number takes a number off the front.
func (t *told) number() int64 {
	n, size := binary.Uvarint(t.data)
	t.data = t.data[max(size, 0):]
	return int64(n)
}

// text takes a text off the front.
func (t *told) text() []byte {
	n := int(t.number())
	if n < 0 || n > len(t.data) {
		n = len(t.data)
	}
	text := t.data[:n]
	t.data = t.data[n:]
	return text
}

// tellings reads what the records of one report after the other are told in.
type tellings struct {
	buf    bufio.Reader
	memory bytes.Reader
	large  []byte
	last   int // bytes of the buffer that the last one took
}

// reset begins at the start of a report.
func (t *tellings) reset(s *spill) {
	t.last = 0
	t.memory.Reset(s.memory)
	if s.file == nil {
		t.buf.Reset(&t.memory)
		return
	}
	t.buf.Reset(io.MultiReader(io.NewSectionReader(s.file, 0, s.size-int64(len(s.memory))), &t.memory))
}

// next reads the next thing; io.EOF ends them.
func (t *tellings) next(to *told) (err error) {
	if _, err = t.buf.Discard(t.last); err != nil {
		return err
	}
	t.last = 0
	if to.tag, err = t.buf.ReadByte(); err != nil {
		return err
	}
	n, err := binary.ReadUvarint(&t.buf)
	switch {
	case err != nil:
	case n <= uint64(t.buf.Size()):
		to.data, err = t.buf.Peek(int(n))
		t.last = int(n)
	default:
		if uint64(cap(t.large)) < n {
			t.large = make([]byte, n)
		}
		to.data = t.large[:n]
		_, err = io.ReadFull(&t.buf, to.data)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
