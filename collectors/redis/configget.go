package redis

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// wanted are the parameters asked for if not all are.
var wanted = []string{"databases", "maxclients", "maxmemory", "io-threads", "repl-backlog-size", "client-output-buffer-limit"}

// settingMetrics are about the configuration.
type settingMetrics struct {
	configNumbers                          map[string]*collect.Family // by parameter
	configBufferLimit, configBufferSeconds *collect.Family
	configText, configNumber               *collect.Family
	snapshotSize                           *collect.Family
}

func newSettingMetrics(t *collect.Families) settingMetrics {
	return settingMetrics{
		configNumbers: map[string]*collect.Family{
			"maxclients":        t.Gauge("config_maxclients", "Clients that may be connected at the same time, as configured."),
			"maxmemory":         t.Gauge("config_maxmemory", "Limit of the memory in bytes, as configured."),
			"io-threads":        t.Gauge("config_io_threads", "Threads for input and output, as configured."),
			"repl-backlog-size": t.Gauge("config_repl_backlog_size", "Size of the replication backlog in bytes, as configured."),
		},
		configBufferLimit:   t.Gauge("config_client_output_buffer_limit_bytes", "Limits of the output buffer of a class of clients.", "class", "limit"),
		configBufferSeconds: t.Gauge("config_client_output_buffer_limit_overcome_seconds", "Time the output buffer may be above its soft limit.", "class", "limit"),
		configText:          t.Gauge("config_key_value", "Constant 1, labelled with a parameter of the configuration and its value.", "key", "value"),
		configNumber:        t.Gauge("config_value", "Value of a parameter of the configuration that is a number.", "key"),
		snapshotSize:        t.Gauge("rdb_current_size_bytes", "Size of the file of the snapshot, 0 if there is none."),
	}
}

// configCommands asks for each parameter by itself, because servers before
// Redis 7 take only one.
func configCommands(c *Config, _ *facts) []command {
	if c.ConfigValues {
		return []command{{c.ConfigCommand, "GET", "*"}}
	}
	names := wanted
	if c.SnapshotSize {
		names = append(slices.Clone(wanted), "dir", "dbfilename")
	}
	commands := make([]command, len(names))
	for i, name := range names {
		commands[i] = command{c.ConfigCommand, "GET", name}
	}
	return commands
}

// configDatabases returns how many databases the configuration allows.
func configDatabases(replies []reply) int {
	for _, r := range replies {
		for name, value := range fields(r.value) {
			if name == "databases" {
				n, _ := strconv.Atoi(toText(value)) // 0 if it is no number.
				return n
			}
		}
	}
	return 0
}

// write writes the configuration.
func (m *settingMetrics) write(s *scrape, replies []reply) error {
	settings, dir, file := 0, "", ""
	for _, r := range replies {
		for name, value := range fields(r.value) {
			text := toText(value)
			if f := m.configNumbers[name]; f != nil {
				if v, ok := size(text); ok {
					s.Add(f, v)
				}
			}
			switch name {
			case "client-output-buffer-limit":
				m.bufferLimits(s, text)
			case "dir":
				dir = text
			case "dbfilename":
				file = text
			}
			if s.config.ConfigValues && settings < maxSettings {
				settings++
				writeSetting(s, m.configText, m.configNumber, name, text)
			}
		}
	}
	if s.config.SnapshotSize && dir != "" && file != "" {
		m.snapshot(s, dir, file)
	}
	return nil
}

// snapshot writes the size of the file of the snapshot, if this machine has the
// directory of the server. Names come from the server: no other file is looked at.
func (m *settingMetrics) snapshot(s *scrape, dir, file string) {
	if file != filepath.Base(file) || !filepath.IsAbs(dir) {
		return
	}
	info, err := os.Lstat(filepath.Join(dir, file))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(dir); err == nil {
			s.Add(m.snapshotSize, 0)
		}
	case err == nil && info.Mode().IsRegular():
		s.Add(m.snapshotSize, float64(info.Size()))
	}
}

// bufferLimits writes "normal 0 0 0 slave 268435456 67108864 60".
func (m *settingMetrics) bufferLimits(s *scrape, text string) {
	words := strings.Fields(text)
	for ; len(words) >= 4; words = words[4:] {
		class := words[0]
		hard, okHard := size(words[1])
		soft, okSoft := size(words[2])
		seconds, okSeconds := number(words[3])
		if okHard && okSoft && okSeconds {
			s.Add(m.configBufferLimit, hard, class, "hard")
			s.Add(m.configBufferLimit, soft, class, "soft")
			s.Add(m.configBufferSeconds, seconds, class, "soft")
		}
	}
}

// writeSetting writes any parameter, unless its value is secret or long.
func writeSetting(s *scrape, asText, asNumber *collect.Family, name, value string) {
	if isSecret(name) {
		return
	}
	if len(value) <= maxSetting {
		s.Add(asText, 1, name, value)
	}
	if v, err := strconv.ParseFloat(value, 64); err == nil {
		s.Add(asNumber, v, name)
	}
}

// isSecret reports whether a parameter holds a secret. New ones may come with
// any version, so words in the name decide.
func isSecret(name string) bool {
	for _, word := range []string{"pass", "masterauth", "secret", "token"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// size parses a number that may have a unit, such as 64mb.
func size(s string) (float64, bool) {
	s = strings.ToLower(s)
	for _, u := range []struct {
		suffix string
		factor float64
	}{{"gb", 1 << 30}, {"mb", 1 << 20}, {"kb", 1 << 10}, {"g", 1e9}, {"m", 1e6}, {"k", 1e3}, {"b", 1}} {
		if digits, ok := strings.CutSuffix(s, u.suffix); ok {
			v, err := strconv.ParseFloat(digits, 64)
			return v * u.factor, err == nil
		}
	}
	return number(s)
}
