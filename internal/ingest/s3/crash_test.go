package s3_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/s3"
)

// steps calls event at one of the steps of a source: before and after the effect
// of each request, and of each delivery.
type steps struct {
	left  atomic.Int64
	event func()
}

func (s *steps) next() {
	if s.left.Add(-1) == -1 {
		s.event()
	}
}

// watch makes the requests of a server and the deliveries steps.
func (s *steps) watch(server *servers.Bucket, deliver ingest.Deliver) ingest.Deliver {
	server.Lock(func() {
		server.Before = func(http.ResponseWriter, *http.Request, string) bool {
			s.next()
			return false
		}
		server.After = func(string) { s.next() }
	})
	return func(ctx context.Context, deliveries ...*ingest.Delivery) ([]ingest.Result, error) {
		server.Lock(s.next)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		results, err := deliver(ctx, deliveries...)
		server.Lock(s.next)
		return results, cmp.Or(ctx.Err(), err)
	}
}

// once reads a bucket to its end.
func once(t *testing.T, c s3.Config, deliver ingest.Deliver) {
	t.Helper()
	c.Once = true
	if err := open(t, c).Run(t.Context(), deliver); err != nil {
		t.Fatal(err)
	}
}

// afters are the actions, with what is left in the bucket of so many objects.
var afters = map[ingest.After]func(s *servers.Bucket, offered int) bool{
	ingest.AfterKeep:   func(s *servers.Bucket, offered int) bool { return len(s.Objects("in/")) == offered },
	ingest.AfterTag:    func(s *servers.Bucket, offered int) bool { return len(s.Objects("in/")) == offered && pending(s) == 0 },
	ingest.AfterDelete: func(s *servers.Bucket, _ int) bool { return len(s.Objects("")) == 0 },
	ingest.AfterMove: func(s *servers.Bucket, offered int) bool {
		return len(s.Objects("in/")) == 0 && len(s.Objects("done/")) == offered
	},
}

// TestCrash ends the source at each of its steps, and starts another one: each
// report counts once, and each object is put away.
func TestCrash(t *testing.T) {
	for after, settled := range afters {
		t.Run(string(after), func(t *testing.T) {
			t.Parallel()
			s := servers.NewBucket(t)
			store := ingesttest.Store(t)
			pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
			reached := true
			offered := 0
			for ; reached; offered++ {
				s.Put(fmt.Sprintf("in/%03d", offered), ingesttest.Report(fmt.Sprint(offered), 1))
				ctx, cancel := context.WithCancel(t.Context())
				reached = false
				killed := &steps{event: func() { reached = true; cancel() }}
				killed.left.Store(int64(offered))
				c := put(config(s, pipeline), after)
				c.Once = true
				err := open(t, c).Run(ctx, killed.watch(s, pipeline.Deliver))
				cancel()
				if reached != errors.Is(err, context.Canceled) {
					t.Fatalf("step %d: reached is %t, error %v", offered, reached, err)
				}
				s.Lock(func() { s.Before, s.After = nil, nil })
				once(t, c, pipeline.Deliver)
				if n := ingesttest.Sum(store, tally.Messages); n != int64(offered+1) || !settled(s, offered+1) {
					t.Fatalf("step %d: %d messages of %d, objects %d", offered, n, offered+1, len(s.Objects("")))
				}
			}
			if n := ingesttest.Sum(store, tally.Reports); n != int64(offered) || offered < 6 {
				t.Errorf("%d reports of %d objects: some were delivered twice", n, offered)
			}
		})
	}
}

// TestCrashControl shows that TestCrash would notice an acknowledgement before
// the commit.
func TestCrashControl(t *testing.T) {
	t.Parallel()
	s := servers.NewBucket(t)
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	s.Put("in/a", ingesttest.Report("a", 1))
	c := put(config(s, pipeline), ingest.AfterDelete)
	once(t, c, func(_ context.Context, deliveries ...*ingest.Delivery) ([]ingest.Result, error) {
		return []ingest.Result{{Counted: len(deliveries)}}, nil // The process ended before it committed.
	})
	once(t, c, pipeline.Deliver)
	if n := ingesttest.Sum(store, tally.Messages); n != 0 || len(s.Objects("")) != 0 {
		t.Errorf("%d messages and %d objects, want the report lost", n, len(s.Objects("")))
	}
}

// TestChanged writes an object again at each step of the source: what was written
// last is counted, and not put away before.
func TestChanged(t *testing.T) {
	for after := range afters {
		t.Run(string(after), func(t *testing.T) {
			t.Parallel()
			s := servers.NewBucket(t)
			store := ingesttest.Store(t)
			pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
			reached := true
			for n := 0; reached; n++ {
				key, last := fmt.Sprintf("%03d", n), ingesttest.Report(fmt.Sprint("last", n), 1000)
				s.Put("in/"+key, ingesttest.Report(fmt.Sprint("first", n), 1))
				reached = false
				changed := &steps{event: func() { reached = true; s.Write("in/"+key, last) }}
				changed.left.Store(int64(n))
				c := put(config(s, pipeline), after)
				first := c
				first.Once = true
				// What changed before it was read is one that could not be read.
				if err := open(t, first).Run(t.Context(), changed.watch(s, pipeline.Deliver)); err != nil && err.Error() != first.End(1).Error() {
					t.Fatalf("step %d: %v", n, err)
				}
				s.Lock(func() { s.Before, s.After = nil, nil })
				want := int64(n+1) * 1000
				if !reached {
					want -= 1000
				}
				if holds(s.Objects("done/"+key), last) && ingesttest.Sum(store, tally.Messages) < want {
					t.Fatalf("step %d: the last content was copied before it was counted", n)
				}
				once(t, c, pipeline.Deliver)
				if got := ingesttest.Sum(store, tally.Messages) / 1000 * 1000; got != want {
					t.Fatalf("step %d: %d messages of the last contents, want %d", n, got, want)
				}
				if after == ingest.AfterMove && reached && !holds(s.Objects("done/"+key), last) {
					t.Fatalf("step %d: the last content was not moved", n)
				}
			}
		})
	}
}

func holds(objects map[string]servers.Object, content []byte) bool {
	for _, o := range objects {
		if string(o.Content) == string(content) {
			return true
		}
	}
	return false
}

// TestMoveTaken moves nothing over what is there.
func TestMoveTaken(t *testing.T) {
	t.Parallel()
	s := servers.NewBucket(t)
	pipeline := ingest.NewPipeline(ingesttest.Store(t), ingest.PipelineConfig{})
	s.Put("done/a", []byte("precious"))
	s.Put("in/a", ingesttest.Report("a", 1))
	once(t, put(config(s, pipeline), ingest.AfterMove), pipeline.Deliver)
	done := s.Objects("done/")
	if len(done) != 2 || string(done["done/a"].Content) != "precious" || !holds(done, ingesttest.Report("a", 1)) {
		t.Errorf("objects %v, want both", done)
	}
}

// TestConditions deletes from servers that pass over conditions, and from those
// that refuse them.
func TestConditions(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		t.Run(fmt.Sprintf("refuses %t", refuses), func(t *testing.T) {
			t.Parallel()
			s := servers.NewBucket(t)
			store := ingesttest.Store(t)
			pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
			s.Put("in/a", ingesttest.Report("a", 1))
			s.NoConditions = true
			conditional := 0
			s.Before = func(w http.ResponseWriter, r *http.Request, op string) bool {
				if op != "remove" || r.Header.Get("If-Match") == "" {
					return false
				}
				conditional++
				if refuses {
					servers.Refuse(w, http.StatusNotImplemented, "NotImplemented")
				}
				return refuses
			}
			// What is written before the delete is seen all the same.
			wrote := false
			s.After = func(op string) {
				if op == "get" && !wrote {
					wrote = true
					s.Write("in/a", ingesttest.Report("b", 1000))
				}
			}
			c := put(config(s, pipeline), ingest.AfterDelete)
			once(t, c, pipeline.Deliver)
			once(t, c, pipeline.Deliver)
			if n := ingesttest.Sum(store, tally.Messages); n != 1001 || len(s.Objects("")) != 0 || conditional != 1 {
				t.Errorf("%d messages, %d objects, %d conditional deletes; want 1001, 0, 1", n, len(s.Objects("")), conditional)
			}
		})
	}
}

// TestTagsKept adds a tag to those that are there.
func TestTagsKept(t *testing.T) {
	t.Parallel()
	s := servers.NewBucket(t)
	pipeline := ingest.NewPipeline(ingesttest.Store(t), ingest.PipelineConfig{})
	s.Put("in/a", ingesttest.Report("a", 1))
	s.Put("in/b", []byte("no report"))
	s.Objects("in/a")["in/a"].Tags["team"] = "mail + web"
	c := put(config(s, pipeline), ingest.AfterTag)
	once(t, c, pipeline.Deliver)
	once(t, c, pipeline.Deliver)
	a, b := s.Objects("in/a")["in/a"].Tags, s.Objects("in/b")["in/b"].Tags
	if len(a) != 2 || a["team"] != "mail + web" || a[s3.Tag] != s3.TagCounted || b[s3.Tag] != s3.TagRefused || s.Requests("tag") != 2 {
		t.Errorf("tags %v and %v after %d requests", a, b, s.Requests("tag"))
	}
	// Refused objects move later, when they are to: their reason is remembered.
	c.RefusedPrefix = "refused/"
	once(t, c, pipeline.Deliver)
	if len(s.Objects("refused/not_a_report/b")) != 1 {
		t.Errorf("objects %v, want the refused one moved", strings.Join(keys(s), " "))
	}
}

func keys(s *servers.Bucket) (all []string) {
	for key := range s.Objects("") {
		all = append(all, key)
	}
	return all
}
