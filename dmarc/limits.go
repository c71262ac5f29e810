package dmarc

import "github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"

// Limits bounds what a Decoder reads. A field that is zero or negative stands
// for its default, so the zero Limits is safe to use. A limit is the largest
// accepted value: one more is refused.
type Limits struct {
	// Bytes is the size of the whole document after decompression (default 1 GiB).
	Bytes int64
	// Records is the number of records of one report (default 10,000,000).
	Records int
	// RecordBytes is the size of what must be held in memory at once: one
	// record, one value outside of records, or one tag (default 4 MiB).
	RecordBytes int
	// TextBytes is the length of one value (default 64 KiB; at least 128). A
	// longer one is not refused but cut, with a warning.
	TextBytes int
	// Depth is the nesting of elements that are not known, and skipped (default
	// and at most 64).
	Depth int
	// Work is what the report may cost to read, in units of about 25 ns, which
	// are counted and not measured (default 50,000,000, more than a second). A value
	// costs one unit; a record 60 more, which is what it costs to count and
	// keep, and a check or reason in it 4; every tag, reference and odd
	// character that is not like those before 4, and a unit for 16 bytes of it.
	Work int64
}

// What is counted of Limits.Work.
const (
	workRecord = 60
	workEntry  = 4
	workSlow   = 4
	workBytes  = 16 // for one
)

const maxDepth = 64

// DefaultWork is the default of Limits.Work.
const DefaultWork = 50_000_000

func (l Limits) withDefaults() Limits {
	text.Default(&l.Bytes, 1<<30)
	text.Default(&l.Records, 10_000_000)
	text.Default(&l.RecordBytes, 4<<20)
	text.Default(&l.TextBytes, 64<<10)
	text.Default(&l.Depth, maxDepth)
	text.Default(&l.Work, DefaultWork)
	l.TextBytes, l.Depth = max(l.TextBytes, internMax), min(l.Depth, maxDepth)
	return l
}
