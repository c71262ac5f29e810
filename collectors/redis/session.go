package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// session is what a collector knows of its server from one collection to the
// next.
type session struct {
	client redis.UniversalClient
	config *Config
	now    func() time.Time
	dials  dialTimer

	mu          sync.Mutex // guards what follows
	optional    optional
	facts       *facts // of the last INFO, nil before
	down        Reason
	collections uint64
	seconds     float64
}

// maxStale is how many connections that the server closed while they were idle
// a collection tries before it believes that the server is down. Clients do not
// notice that of all connections, TLS in particular.
const maxStale = 4

// collect fills snap.
func (s *session) collect(ctx context.Context, snap *snapshot) {
	start := s.now()
	s.dials.last.Store(0)
	for range maxStale {
		*snap = snapshot{}
		snap.err = s.ask(ctx, snap)
		if ReasonOf(snap.err) != collect.Reset || s.dials.last.Load() != 0 {
			break
		}
	}
	snap.connect = time.Duration(s.dials.last.Load())
	snap.took = s.now().Sub(start)
	s.remember(snap)
}

// ask fills snap. The error is why the server is not up.
func (s *session) ask(ctx context.Context, snap *snapshot) error {
	node, err := nodeOf(ctx, s.client)
	if err != nil {
		return err
	}
	if s.config.Ping {
		start := s.now()
		if err := node.Ping(ctx).Err(); err != nil {
			return err
		}
		snap.ping = s.now().Sub(start)
	}
	known, asked, rest := s.plan(nil)
	text, answers, err := s.batch(ctx, node, known, asked, command{"INFO", "ALL"})
	if err != nil {
		return err
	}
	snap.info = parseInfo(text)
	snap.facts = readFacts(snap.info)
	if len(snap.info) == 0 {
		return errReply
	}
	_, more, resting := s.plan(snap.facts)
	if known == nil {
		rest = resting
	}
	snap.answers = append(rest, answers...)
	if more = without(more, asked); len(more) > 0 {
		_, answers, _ := s.batch(ctx, node, snap.facts, more)
		snap.answers = append(snap.answers, answers...)
	}
	return nil
}

// plan returns the parts to ask for by some facts, or by those of the last
// collection if there are any.
func (s *session) plan(f *facts) (known *facts, ask []*part, rest []answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		f = s.facts
	}
	if f != nil {
		ask, rest = s.optional.plan(f, s.now())
	}
	return f, ask, rest
}

// batch sends first and the commands of some parts in one round trip. It returns
// the text that answers first, and fails if there is none.
func (s *session) batch(ctx context.Context, node redis.Cmdable, f *facts, some []*part, first ...command) (string, []answer, error) {
	commands, sizes := first, make([]int, len(some))
	for i, p := range some {
		more := p.commands(s.config, f)
		commands, sizes[i] = append(commands, more...), len(more)
	}
	replies, err := call(ctx, node, commands)
	text := ""
	if len(first) > 0 {
		var textErr error
		if text, textErr = replies[0].text(); textErr != nil {
			if err == nil || isReply(textErr) {
				err = textErr
			}
			return "", nil, err
		}
		replies = replies[len(first):]
	}
	answers := make([]answer, len(some))
	for i, p := range some {
		answers[i] = answer{part: p, replies: replies[:sizes[i]], err: replies[0].err}
		replies = replies[sizes[i]:]
	}
	return text, answers, nil
}

// remember keeps what the next collection needs to know, and logs what has
// changed.
func (s *session) remember(snap *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collections++
	s.seconds += snap.took.Seconds()
	snap.collections, snap.seconds = s.collections, s.seconds
	if errors.Is(snap.err, context.Canceled) {
		return // This says nothing about the server.
	}
	s.logState(snap)
	if snap.err != nil {
		return
	}
	if s.facts != nil && s.facts.runID != snap.facts.runID {
		clear(s.optional.refused) // Another server, or another configuration.
	}
	s.facts = snap.facts
	for _, a := range snap.answers {
		s.optional.note(a, s.now())
	}
}

// logState logs when the server comes, goes, or stays away for another reason.
func (s *session) logState(snap *snapshot) {
	reason := ReasonOf(snap.err)
	switch {
	case reason == s.down:
		return
	case reason == collect.None:
		s.config.Logger.Info("server is up again")
	default:
		s.config.Logger.Warn("server is down", "reason", string(reason), "err", redact(snap.err))
	}
	s.down = reason
}
