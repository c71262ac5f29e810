package s3_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest/servers"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/s3"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// config reads what is below in/.
func config(s *servers.Bucket, marks ingest.Marks) s3.Config {
	return s3.Config{
		Endpoint: s.URL, Region: s.Region, Bucket: s.Name, Prefix: "in/",
		Credentials: s3.Credentials{AccessKeyID: s.ID, Secret: func() (string, error) { return s.Secret, nil }},
		Options:     ingest.Options{Poll: 20 * time.Millisecond, Timeout: 10 * time.Second, Marks: marks},
	}
}

// put makes a config put objects away.
func put(c s3.Config, after ingest.After) s3.Config {
	c.After, c.RefusedPrefix = after, "refused/"
	switch after {
	case ingest.AfterMove:
		c.MovedPrefix = "done/"
	case ingest.AfterTag, ingest.AfterKeep:
		c.RefusedPrefix = ""
	}
	return c
}

func open(t testing.TB, c s3.Config) *s3.Bucket {
	t.Helper()
	source, err := s3.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// pending counts the objects below in/ that have no tag.
func pending(s *servers.Bucket) (n int) {
	for _, o := range s.Objects("in/") {
		if o.Tags[s3.Tag] == "" {
			n++
		}
	}
	return n
}

func TestConforms(t *testing.T) {
	for _, after := range []ingest.After{ingest.AfterMove, ingest.AfterTag} {
		t.Run(string(after), func(t *testing.T) {
			t.Parallel()
			ingesttest.Run(t, func(t *testing.T) ingesttest.World {
				s := servers.NewBucket(t)
				return ingesttest.World{
					Source:  func(t testing.TB, marks ingest.Marks) ingest.Source { return open(t, put(config(s, marks), after)) },
					Offer:   func(_ testing.TB, name string, content []byte) { s.Put("in/"+name, content) },
					Pending: func(testing.TB) int { return pending(s) },
				}
			})
		})
	}
}

// TestConformsKept is the suite for objects that stay: their marks tell that they are done.
func TestConformsKept(t *testing.T) {
	t.Parallel()
	ingesttest.Run(t, func(t *testing.T) ingesttest.World {
		s := servers.NewBucket(t)
		var source *s3.Bucket
		var known ingest.Marks
		return ingesttest.World{
			Source: func(t testing.TB, marks ingest.Marks) ingest.Source {
				known = marks
				source = open(t, config(s, marks))
				return source
			},
			Offer: func(_ testing.TB, name string, content []byte) { s.Put("in/"+name, content) },
			Pending: func(t testing.TB) (n int) {
				for key, o := range s.Objects("in/") {
					c, _, err := known.Lookup(t.Context(), source.Status().Name, key)
					if err != nil {
						t.Error(err)
					}
					if c.Value != o.ETag {
						n++
					}
				}
				return n
			},
			Implicit: true,
		}
	})
}

// serve runs a source until the test ends.
func serve(t *testing.T, s *servers.Bucket, change func(*s3.Config)) (*store.Store, *s3.Bucket, *realtest.Log) {
	t.Helper()
	store, logs := ingesttest.Store(t), &realtest.Log{}
	logger := slog.New(slog.NewTextHandler(logs, nil))
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{Logger: logger})
	c := config(s, pipeline)
	c.Logger = logger
	change(&c)
	source := open(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	supervisor := &ingest.Supervisor{MinPause: 5 * time.Millisecond, MaxPause: 50 * time.Millisecond, Logger: logger}
	group.Go(func() { supervisor.Run(ctx, pipeline.Deliver, map[string]ingest.Source{"one": source}) })
	t.Cleanup(func() {
		cancel()
		group.Wait()
	})
	return store, source, logs
}

// listed waits until the bucket was listed some more times.
func listed(t *testing.T, s *servers.Bucket) {
	t.Helper()
	before := s.Requests("list")
	realtest.Eventually(t, "listed more often", func() bool { return s.Requests("list") > before+len(s.Objects("in/"))+5 })
}

// TestActions puts objects of several pages away and reads each once.
func TestActions(t *testing.T) {
	for _, after := range []ingest.After{ingest.AfterKeep, ingest.AfterMove, ingest.AfterDelete, ingest.AfterTag} {
		t.Run(string(after), func(t *testing.T) {
			t.Parallel()
			s := servers.NewBucket(t)
			s.PageSize = 3
			for i := range 7 {
				s.Put(fmt.Sprintf("in/2026/%d é+.xml", i), ingesttest.Report(fmt.Sprint(i), 1))
			}
			s.Put("in/again.xml", ingesttest.Report("0", 1))
			s.Put("in/bad", []byte("no report"))
			s.Put("in/AMAZON_SES_SETUP_NOTIFICATION", []byte("hello"))
			s.Put("in/folder/", nil)
			s.Put("other/x", ingesttest.Report("other", 100))
			store, source, _ := serve(t, s, func(c *s3.Config) { *c = put(*c, after) })
			realtest.Eventually(t, "all read", func() bool {
				return ingesttest.Sum(store, tally.Reports) == 9 && ingesttest.Sum(store, tally.Refusals) == 1
			})
			want := map[ingest.After][4]int{ // in, done, refused, tagged
				ingest.AfterKeep: {11, 0, 0, 0}, ingest.AfterMove: {2, 8, 1, 0}, ingest.AfterDelete: {2, 0, 1, 0}, ingest.AfterTag: {11, 0, 0, 9},
			}[after]
			state := func() [4]int {
				in := len(s.Objects("in/"))
				return [4]int{in, len(s.Objects("done/")), len(s.Objects("refused/not_a_report/bad")), in - pending(s)}
			}
			realtest.Eventually(t, "all put away", func() bool { return state() == want })
			gets := s.Requests("get")
			listed(t, s)
			if got := state(); got != want || s.Requests("get") != 9 || gets != 9 {
				t.Errorf("objects %v, %d fetched; want %v, 9", got, s.Requests("get"), want)
			}
			if n := ingesttest.Sum(store, tally.Messages); n != 7 {
				t.Errorf("%d messages, want 7", n)
			}
			if after == ingest.AfterMove && s.Objects("done/2026/3 é+.xml")["done/2026/3 é+.xml"].Content == nil {
				t.Errorf("moved to other keys: %v", s.Objects("done/"))
			}
			if status := source.Status(); !status.Up || status.Backlog != 0 || status.Name != "s3:"+strings.TrimPrefix(s.URL, "http://")+"/reports/in/" {
				t.Errorf("status %+v", status)
			}
		})
	}
}
