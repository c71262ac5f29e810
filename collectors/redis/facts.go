package redis

import (
	"cmp"
	"strconv"
	"strings"
)

// facts are what INFO has that decides what else to ask for.
type facts struct {
	flavour string // redis, valkey, keydb or dragonfly
	version string // of the flavour
	major   int    // of the Redis it is compatible with
	number  int    // of the flavour: 100 * major + minor
	modules bool   // some are loaded
	mode    string // standalone, cluster or sentinel
	runID   string
	clients int
	masters []string // that a sentinel watches
}

// readFacts takes the facts from INFO.
func readFacts(in info) *facts {
	f := &facts{flavour: "redis", version: in.get("redis_version"), mode: modeOf(in), runID: in.get("run_id")}
	major, _, _ := strings.Cut(f.version, ".")
	f.major, _ = strconv.Atoi(major)                         // 0 if it is missing.
	f.clients, _ = strconv.Atoi(in.get("connected_clients")) // The same.
	switch {
	case in.get("dragonfly_version") != "":
		f.flavour, f.version = "dragonfly", strings.TrimPrefix(in.get("dragonfly_version"), "df-v")
	case in.get("valkey_version") != "":
		f.flavour, f.version = "valkey", in.get("valkey_version")
	case in.get("mvcc_depth") != "" || strings.Contains(in.get("executable"), "keydb"):
		f.flavour = "keydb"
	}
	f.number = versionNumber(f.version)
	f.modules = in.get("module") != ""
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

// versionNumber returns 801 for 8.1.4, and 0 for what is no version.
func versionNumber(version string) int {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errMajor := strconv.Atoi(major)
	b, errMinor := strconv.Atoi(minor)
	if errMajor != nil || errMinor != nil {
		return 0
	}
	return 100*a + b
}

// modeOf returns the mode of a server, which Valkey does not call Redis's.
func modeOf(in info) string { return cmp.Or(in.get("redis_mode"), in.get("server_mode")) }

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

func hasCommandLog(c *Config, f *facts) bool {
	return isData(c, f) && f.flavour == "valkey" && f.number >= 801
}

func hasModules(c *Config, f *facts) bool { return isData(c, f) && f.modules && c.ModuleMetrics }

func hasSlotStats(c *Config, f *facts) bool {
	return c.SlotStats && isCluster(c, f) && (f.flavour == "valkey" || f.number >= 802)
}

// hasClients spares a server with many clients from listing them all.
func hasClients(c *Config, f *facts) bool {
	return isData(c, f) && f.clients <= c.MaxClientList
}
