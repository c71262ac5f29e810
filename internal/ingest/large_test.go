package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
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

// memoryStore remembers how much memory the details of each transaction took.
type memoryStore struct {
	Store
	memory []int
}

func (s *memoryStore) CommitAll(_ context.Context, deliveries ...*store.Delivery) ([][]tally.Result, error) {
	results, memory := make([][]tally.Result, len(deliveries)), 0
	for i, d := range deliveries {
		results[i] = make([]tally.Result, len(d.Entries))
		for _, details := range d.Details {
			memory += details.Memory()
		}
	}
	s.memory = append(s.memory, memory)
	return results, nil
}

// TestOriginals keeps the mails of failure reports as they came; they count as
// memory, so that an mbox of them is not in memory as a whole.
func TestOriginals(t *testing.T) {
	const mails, size = 6, 2 << 20
	var mbox bytes.Buffer
	for i := range mails {
		fmt.Fprintf(&mbox, "From a@b.example Sat Nov 28 00:00:00 2026\nFrom: a@b.example\nMIME-Version: 1.0\n"+
			"Content-Type: multipart/report; report-type=feedback-report; boundary=B\n\n--B\n\nfailed\n--B\nContent-Type: message/feedback-report\n\n"+
			"Feedback-Type: auth-failure\nUser-Agent: x/1\nVersion: 1\nAuth-Failure: dmarc\nArrival-Date: Fri, 27 Nov 2026 1%d:00:00 +0000\n"+
			"Source-IP: 192.0.2.1\nReported-Domain: example.com\n\n--B\nContent-Type: message/rfc822\n\nFrom: a@example.com\nSubject: s\n\n%s\n--B--\n\n",
			i, strings.Repeat("a line of evidence\n", size/19))
	}
	s := &memoryStore{}
	p := NewPipeline(s, PipelineConfig{Originals: true, Keep: store.DraftConfig{Records: store.RecordsAll}, Now: func() time.Time {
		return time.Date(2026, time.November, 28, 0, 0, 0, 0, time.UTC)
	}})
	results, err := p.Deliver(t.Context(), &Delivery{Source: "s", Name: "n", Body: &mbox, Size: int64(mbox.Len())})
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
	total := 0
	for _, n := range s.memory {
		total += n
		if most := chunkMemory + size + 64<<10; n > most {
			t.Errorf("%d bytes of details in one transaction, want at most %d", n, most)
		}
	}
	if total < mails*size*9/10 {
		t.Errorf("%d bytes of details, want %d mails of %d", total, mails, size)
	}
}
