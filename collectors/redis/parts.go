package redis

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// part is what a collection asks for beside INFO. A part that fails costs only
// its own metrics.
type part struct {
	name     string // the value of the label "part"
	applies  func(*Config, *facts) bool
	commands func(*Config, *facts) []command
	// write writes the metrics. It is called if the first command succeeded.
	write func(*writer, []reply) error
}

// parts are all of them, in the order of their commands.
var parts = []*part{
	{"config", hasConfig, configCommands, (*writer).writeConfig},
	{"slowlog", isData, fixed("SLOWLOG LEN", "SLOWLOG GET 1"), (*writer).slowlog},
	{"latency", hasLatency, fixed("LATENCY LATEST"), (*writer).latencyLatest},
	{"latency_histogram", hasHistogram, fixed("LATENCY HISTOGRAM"), (*writer).latencyHistogram},
	{"memory", hasMemory, fixed("MEMORY STATS"), (*writer).memoryStats},
	{"acl", hasACL, fixed("ACL USERS"), (*writer).acl},
	{"clients", hasClients, fixed("CLIENT LIST"), (*writer).clientList},
	{"cluster", isCluster, fixed("CLUSTER INFO", "CLUSTER NODES"), (*writer).cluster},
	{"sentinel", isSentinel, sentinelCommands, (*writer).sentinel},
}

// answer is what the server said to a part.
type answer struct {
	part    *part
	replies []reply
	err     error // of its first command
}

// facts are what INFO tells about which parts apply.
type facts struct {
	flavour string // redis, valkey, keydb or dragonfly
	version string // of the flavour
	major   int    // of the Redis it is compatible with
	mode    string // standalone, cluster or sentinel
	runID   string
	clients int
	masters []string // that a sentinel watches
}

// readFacts reads what INFO says.
func readFacts(in info) *facts {
	f := &facts{flavour: "redis", version: in.get("redis_version"), mode: modeOf(in), runID: in.get("run_id")}
	major, _, _ := strings.Cut(f.version, ".")
	f.major, _ = strconv.Atoi(major)                         // 0 if it is not told.
	f.clients, _ = strconv.Atoi(in.get("connected_clients")) // The same.
	switch {
	case in.get("dragonfly_version") != "":
		f.flavour, f.version = "dragonfly", strings.TrimPrefix(in.get("dragonfly_version"), "df-v")
	case in.get("valkey_version") != "":
		f.flavour, f.version = "valkey", in.get("valkey_version")
	case in.get("mvcc_depth") != "" || strings.Contains(in.get("executable"), "keydb"):
		f.flavour = "keydb"
	}
	if in.get("cluster_enabled") == "1" && f.flavour != "dragonfly" {
		f.mode = "cluster"
	}
	for _, line := range in {
		if line.section == "sentinel" && isNumbered(line.key, "master") && len(f.masters) < maxMasters {
			for k, v := range pairs(line.value) {
				if k == "name" {
					f.masters = append(f.masters, v)
				}
			}
		}
	}
	return f
}

// modeOf returns the mode of a server, which Valkey does not call Redis's.
func modeOf(in info) string { return cmp.Or(in.get("redis_mode"), in.get("server_mode")) }

// isNumbered reports whether key is prefix and a number.
func isNumbered(key, prefix string) bool {
	rest, ok := strings.CutPrefix(key, prefix)
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}

func isData(_ *Config, f *facts) bool     { return f.mode != "sentinel" }
func isCluster(_ *Config, f *facts) bool  { return f.mode == "cluster" }
func isSentinel(_ *Config, f *facts) bool { return f.mode == "sentinel" }

func hasConfig(c *Config, f *facts) bool {
	return isData(c, f) && c.ConfigCommand != "-"
}

func hasLatency(c *Config, f *facts) bool {
	return isData(c, f) && f.flavour != "dragonfly"
}

func hasHistogram(c *Config, f *facts) bool {
	return hasLatency(c, f) && f.major >= 7 && !c.NoLatencyHistogram
}

func hasMemory(c *Config, f *facts) bool {
	return isData(c, f) && f.major >= 4 && f.flavour != "dragonfly"
}

func hasACL(c *Config, f *facts) bool {
	return isData(c, f) && f.major >= 6
}

// hasClients spares a server with many clients from listing them all.
func hasClients(c *Config, f *facts) bool {
	return isData(c, f) && f.clients <= c.MaxClientList
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

// plan returns the parts to ask for, and answers for those that rest.
func plan(c *Config, f *facts, refused map[*part]refusal, now time.Time) (ask []*part, rest []answer) {
	for _, p := range parts {
		switch r, ok := refused[p]; {
		case !p.applies(c, f):
		case ok && now.Before(r.until):
			rest = append(rest, answer{part: p, err: r.err})
		default:
			ask = append(ask, p)
		}
	}
	return ask, rest
}

// without returns the parts of all that are not in some.
func without(all, some []*part) []*part {
	return slices.DeleteFunc(slices.Clone(all), func(p *part) bool { return slices.Contains(some, p) })
}
