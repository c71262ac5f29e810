package tally

import (
	"fmt"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// What a byte of a report costs, of Limits.Work: what its parser takes for the
// densest ones. An aggregate report counts its work itself.
const (
	workTLS     = 4
	workFailure = 1
)

// costly makes reading a report cost work: documents of these kinds are small,
// but an input may have many of them.
type costly struct {
	in                io.Reader
	byte, work, limit int64
}

func (c *costly) Read(p []byte) (int, error) {
	if c.work > c.limit {
		return 0, &dmarc.Error{Reason: dmarc.ReasonTooCostly, Offset: -1, Err: fmt.Errorf("the input takes more work than %d", c.limit)}
	}
	n, err := c.in.Read(p)
	c.work += c.byte * int64(n)
	return n, err
}

// costly bounds what a report costs by the byte, with those before it in the same input. The
// function adds it to these.
func (r *Reader) costly(in io.Reader, each int64) (*costly, func()) {
	c := &costly{in: in, byte: each, limit: r.Limits.withDefaults().Work}
	if r.Work == nil {
		return c, func() {}
	}
	c.work = *r.Work
	return c, func() { *r.Work = c.work }
}
