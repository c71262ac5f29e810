package s3

import (
	"context"
	"fmt"
)

// Check lists an object, and asks for one that is there. It changes nothing: that
// objects can be moved, deleted or tagged is not tried.
func (b *Bucket) Check(ctx context.Context, report func(what string, err error)) {
	var found *object
	for o, err := range b.client.list(ctx, b.config.Prefix, 1) {
		if err != nil {
			report("list objects", err)
			return
		}
		found = &o
		break
	}
	report("list objects", nil)
	if found == nil {
		return
	}
	_, _, err := b.client.stat(ctx, found.key, found.etag)
	if isGone(err) || isChanged(err) {
		err = nil // It was just taken away.
	}
	report(fmt.Sprintf("look at object %q", found.key), err)
}
