package redis

import (
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// scrape is what the metrics of one collection are made of, and where they go.
type scrape struct {
	collect.Output
	config *Config
	now    time.Time

	info     info
	facts    *facts
	commands map[string]commandStats // of INFO, by command
}

// commandStats are the figures of one line cmdstat_… of INFO.
type commandStats struct{ calls, usec float64 }

// readCommands keeps the figures of commands that several topics need.
func (s *scrape) readCommands() {
	s.commands = map[string]commandStats{}
	for _, line := range s.info {
		if name, ok := strings.CutPrefix(line.key, "cmdstat_"); ok && len(s.commands) < maxCommands {
			var c commandStats
			for k, v := range pairs(line.value) {
				switch k {
				case "calls":
					c.calls, _ = number(v)
				case "usec":
					c.usec, _ = number(v)
				}
			}
			s.commands[name] = c
		}
	}
}
