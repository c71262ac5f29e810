package redis

import (
	"slices"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// part is what a collection asks for beside INFO. A server may not have it: a part
// that fails costs only its own metrics.
type part struct {
	name     string // the value of the label "part"
	applies  func(*Config, *facts) bool
	commands func(*Config, *facts) []command
	// write writes the metrics. It is called if the first command succeeded.
	write func(*scrape, []reply) error
}

// answer is what the server replied to a part.
type answer struct {
	part    *part
	replies []reply
	err     error // of its first command
}

// fixed returns commands that are always the same.
func fixed(lines ...string) func(*Config, *facts) []command {
	commands := make([]command, len(lines))
	for i, line := range lines {
		for word := range strings.FieldsSeq(line) {
			commands[i] = append(commands[i], word)
		}
	}
	return func(*Config, *facts) []command { return commands }
}

// refusal is a part that a server refused, and until when it is not asked again.
type refusal struct {
	err   error
	until time.Time
}

// retryRefused is how long a refused part rests. Each attempt would count as an
// error on the server.
const retryRefused = 10 * time.Minute

// optional are the parts of a collector and what a server refuses of them.
type optional struct {
	config  *Config
	parts   []*part
	refused map[*part]refusal
}

// plan returns the parts to ask for, and answers for those that rest.
func (o *optional) plan(f *facts, now time.Time) (ask []*part, rest []answer) {
	for _, p := range o.parts {
		switch r, ok := o.refused[p]; {
		case !p.applies(o.config, f):
		case ok && now.Before(r.until):
			rest = append(rest, answer{part: p, err: r.err})
		default:
			ask = append(ask, p)
		}
	}
	return ask, rest
}

// note lets a part rest that the server refuses for good.
func (o *optional) note(a answer, now time.Time) {
	log := o.config.Logger.With("part", a.part.name)
	_, known := o.refused[a.part]
	switch reason := ReasonOf(a.err); {
	case a.replies == nil: // It rests.
	case reason == collect.None && known:
		delete(o.refused, a.part)
		log.Info("server no longer refuses commands")
	case reason == collect.Denied || reason == ReasonUnsupported:
		o.refused[a.part] = refusal{err: a.err, until: now.Add(retryRefused)}
		if !known {
			log.Warn("server refuses commands, going on without them", "reason", string(reason), "err", redact(a.err))
		}
	}
}

// without returns the parts of all that are not in some.
func without(all, some []*part) []*part {
	return slices.DeleteFunc(slices.Clone(all), func(p *part) bool { return slices.Contains(some, p) })
}
