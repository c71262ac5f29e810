package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// TestLargeWaits delivers a small file that holds a large mail while another
// large one is read: it waits, and whoever gives up waiting does not refuse it.
func TestLargeWaits(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	noise := make([]byte, 5<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	if _, err := w.Write(append([]byte("From: a@b.example\n\n"), noise...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p := NewPipeline(nil, PipelineConfig{Workers: 1})
	p.large <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	delivery := func() *Delivery {
		return &Delivery{Source: "s", Name: "n", Body: bytes.NewReader(packed.Bytes()), Size: int64(packed.Len())}
	}
	if _, err := p.Deliver(ctx, delivery()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v while another large input is read, want the error of the context", err)
	}
}
