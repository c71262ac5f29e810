package ingest

import (
	"context"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Marks answers which inputs earlier deliveries have committed. A Pipeline is
// a Marks; it is safe for concurrent use.
type Marks interface {
	// Lookup returns what was committed with the key of an input.
	Lookup(ctx context.Context, source, key string) (c Committed, ok bool, err error)
	// LookupAll is Lookup for many inputs at once; those of which nothing was
	// committed are left out.
	LookupAll(ctx context.Context, source string, keys []string) (map[string]Committed, error)
	// Forget drops the marks of a source for which keep returns false.
	Forget(ctx context.Context, source string, keep func(key string) bool) error
}

// Committed is what the store remembers of an input.
type Committed struct {
	// Value is Delivery.Mark.
	Value string
	// Reason is why the input was refused, empty when it was not.
	Reason dmarc.Reason
}

// markSeparator stands between the value and the reason of a stored mark.
const markSeparator = "\x00"

// Encode returns what a store keeps.
func (c Committed) Encode() string {
	return c.Value + markSeparator + string(c.Reason)
}

// DecodeMark returns what Encode was called of.
func DecodeMark(text string) Committed {
	value, reason, _ := strings.Cut(text, markSeparator)
	return Committed{Value: value, Reason: dmarc.Reason(reason)}
}

// noMarks is the Marks of a source without any.
type noMarks struct{}

func (noMarks) Lookup(context.Context, string, string) (Committed, bool, error) {
	return Committed{}, false, nil
}

func (noMarks) LookupAll(context.Context, string, []string) (map[string]Committed, error) {
	return nil, nil
}

func (noMarks) Forget(context.Context, string, func(string) bool) error { return nil }
