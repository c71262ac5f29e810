package redis

import (
	"context"
	"errors"
)

// remember updates what the collector knows for its next collection, and logs
// what has changed. Only the collection under way calls it.
func (c *Collector) remember(snap *snapshot) {
	s := &c.state
	s.collections++
	s.seconds += snap.took.Seconds()
	snap.collections, snap.seconds = s.collections, s.seconds
	if errors.Is(snap.err, context.Canceled) {
		return // This says nothing about the server.
	}
	c.logState(snap)
	if snap.err != nil {
		return
	}
	if s.facts != nil && s.facts.runID != snap.facts.runID {
		clear(s.refused) // Another server, or another configuration.
	}
	s.facts = snap.facts
	for _, a := range snap.answers {
		c.noteRefusal(a)
	}
}

// logState logs when the server comes, goes, or stays away for another reason.
func (c *Collector) logState(snap *snapshot) {
	reason := ReasonOf(snap.err)
	switch {
	case reason == c.state.down:
		return
	case reason == ReasonNone:
		c.config.Logger.Info("server is up again")
	default:
		c.config.Logger.Warn("server is down", "reason", string(reason), "err", redact(snap.err))
	}
	c.state.down = reason
}

// noteRefusal lets a part rest that the server refuses for good.
func (c *Collector) noteRefusal(a answer) {
	_, known := c.state.refused[a.part]
	switch reason := ReasonOf(a.err); {
	case a.replies == nil: // It rests.
	case reason == ReasonNone && known:
		delete(c.state.refused, a.part)
		c.config.Logger.Info("server no longer refuses commands", "part", a.part.name)
	case reason == ReasonDenied || reason == ReasonUnsupported:
		c.state.refused[a.part] = refusal{err: a.err, until: c.now().Add(retryRefused)}
		if !known {
			c.config.Logger.Warn("server refuses commands, going on without them",
				"part", a.part.name, "reason", string(reason), "err", redact(a.err))
		}
	}
}
