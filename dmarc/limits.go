package dmarc

// Limits bounds what a Decoder reads. The zero value of each field stands for
// its default; there is no way to switch a limit off, but a large number comes close.
type Limits struct {
	// Bytes is the size of the whole document after decompression. Default: 1 GiB.
	Bytes int64
	// Records is the number of records of one report. Default: 10,000,000.
	Records int
	// RecordBytes is the size of what must be held in memory at once: one
	// record, one value outside of records, or one tag. Default: 4 MiB.
	RecordBytes int
	// TextBytes is the length of one value; longer ones are cut with a
	// warning. Default: 64 KiB; smaller than 128 stands for 128.
	TextBytes int
	// Depth is the nesting of elements that are not known, and skipped. Default
	// and maximum: 64.
	Depth int
}

const maxDepth = 64

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 1 << 30
	}
	if l.Records <= 0 {
		l.Records = 10_000_000
	}
	if l.RecordBytes <= 0 {
		l.RecordBytes = 4 << 20
	}
	if l.TextBytes <= 0 {
		l.TextBytes = 64 << 10
	}
	l.TextBytes = max(l.TextBytes, internMax)
	if l.Depth <= 0 || l.Depth > maxDepth {
		l.Depth = maxDepth
	}
	return l
}
