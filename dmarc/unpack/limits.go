package unpack

import (
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Limits bounds the work and the memory that one input may cost. A field that
// is zero or negative stands for its default, so the zero Limits is safe to
// use. A limit is the largest accepted value: one more is refused.
//
// Where Limits speak of an input they mean the reader given to Walk, or, for
// an mbox, each of its mails.
type Limits struct {
	// Memory is the number of bytes of mails and zip archives that are held in
	// memory at one time (default 32 MiB). Their parts, decoded, may need as
	// much again.
	Memory int64
	// Unpacked is the number of bytes that are read from an input, and that are
	// decompressed from it in all layers together (default 1 GiB).
	Unpacked int64
	// Ratio is how many times the bytes of the input may be decompressed to,
	// all layers together (default 200). The first MiB is free.
	Ratio int64
	// Header is the number of bytes of one mail or part header (default 1 MiB).
	Header int
	// Depth is the number of containers around a document (default 10): each
	// compression layer, archive, mbox, mail and multipart is one.
	Depth int
	// Parts is the number of MIME parts of an input, and of documents that
	// follow each other without a container (default 1000).
	Parts int
	// Members is the number of members of one archive, and the number of
	// attachments of an input that are opened (default 50).
	Members int
}

// ratioFree is the number of unpacked bytes below which Limits.Ratio does not apply.
const ratioFree = 1 << 20

func (l Limits) withDefaults() Limits {
	text.Default(&l.Memory, 32<<20)
	text.Default(&l.Unpacked, 1<<30)
	text.Default(&l.Ratio, 200)
	text.Default(&l.Header, 1<<20)
	text.Default(&l.Depth, 10)
	text.Default(&l.Parts, 1000)
	text.Default(&l.Members, 50)
	return l
}

// meter counts what one input has cost so far.
type meter struct {
	in, out int64 // bytes read from the input, bytes decompressed
	parts   int
	opened  int
}

// read charges n bytes that were read from the input.
func (m *meter) read(l *Limits, n int) error {
	m.in += int64(n)
	if m.in > l.Unpacked {
		return refusal(dmarc.ReasonTooLarge, "more than %d bytes", l.Unpacked)
	}
	return nil
}

// unpack charges n bytes that were decompressed.
func (m *meter) unpack(l *Limits, n int) error {
	m.out += int64(n)
	if m.out > l.Unpacked {
		return refusal(dmarc.ReasonTooLarge, "more than %d bytes unpacked", l.Unpacked)
	}
	if m.out > ratioFree && m.out/l.Ratio >= m.in && m.out > m.in*l.Ratio {
		return refusal(dmarc.ReasonRatio, "unpacks to more than %d times its size", l.Ratio)
	}
	return nil
}

// refusal makes the error of this package.
func refusal(reason dmarc.Reason, format string, args ...any) *dmarc.Error {
	return &dmarc.Error{Reason: reason, Offset: -1, Err: fmt.Errorf(format, args...)}
}
