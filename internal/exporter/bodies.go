package exporter

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// bodies are what a page looks like to those who share it, each made once. It is
// safe for concurrent use.
type bodies struct {
	mu  sync.Mutex
	all map[string]*body
}

type body struct {
	once sync.Once
	text []byte
	err  error
}

var errNotWritten = errors.New("the page could not be written")

// of returns the body for a key, which write writes if nobody has asked for it yet.
func (b *bodies) of(key string, write func(io.Writer) error) ([]byte, error) {
	b.mu.Lock()
	one := b.all[key]
	if one == nil {
		if one = new(body); b.all == nil {
			b.all = map[string]*body{}
		}
		b.all[key] = one
	}
	b.mu.Unlock()
	one.once.Do(func() {
		one.err = errNotWritten // to the others, should write panic
		var text bytes.Buffer
		err := write(&text)
		one.text, one.err = text.Bytes(), err
	})
	return one.text, one.err
}
