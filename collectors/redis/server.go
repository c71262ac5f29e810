package redis

import (
	"strconv"
	"strings"
	"time"
)

// serverFamilies are about the server as a whole, and about asking it.
type serverFamilies struct {
	up, instance, serverInfo, startTime, module *family

	collections, collectionSeconds       *family
	lastError, lastSeconds, lastConnect  *family
	lastPing, partSuccess                *family
	slowlogLength, slowlogLastID         *family
	slowlogLastSeconds                   *family
	bytesPerKey, datasetRatio, peakRatio *family
	databaseOverhead                     *family
	aclUsers                             *family
}

func newServerFamilies(t *table) serverFamilies {
	return serverFamilies{
		up: t.gauge("up", "Whether the server answered."),
		instance: t.gauge("instance_info", "Constant 1, labelled with what identifies the server.",
			"master_replid", "maxmemory_policy", "os", "process_id", "redis_build_id", "redis_mode", "redis_version", "role", "run_id", "tcp_port"),
		serverInfo: t.gauge("server_info", "Constant 1, labelled with the product and its version.", "product", "version"),
		startTime:  t.gauge("start_time_seconds", "Time the server started."),
		module: t.gauge("module_info", "Constant 1, labelled with a loaded module.",
			"api", "filters", "name", "usedby", "using", "ver"),

		collections:       t.counter("exporter_scrapes_total", "Collections from this server."),
		collectionSeconds: t.gauge("exporter_scrape_duration_seconds", "Durations of the collections from this server."),
		lastSeconds:       t.gauge("exporter_last_scrape_duration_seconds", "Duration of the last collection."),
		lastConnect:       t.gauge("exporter_last_scrape_connect_time_seconds", "Time to connect in the last collection, 0 if a connection was open."),
		lastPing:          t.gauge("exporter_last_scrape_ping_time_seconds", "Round trip of a PING in the last collection."),
		lastError:         t.gauge("exporter_last_scrape_error", "Whether the last collection failed, labelled with the class of the cause.", "err"),
		partSuccess:       t.gauge("exporter_part_success", "Whether the server answered a part of the collection.", "part"),

		slowlogLength:      t.gauge("slowlog_length", "Entries of the slow log."),
		slowlogLastID:      t.gauge("slowlog_last_id", "Id of the last entry of the slow log."),
		slowlogLastSeconds: t.gauge("last_slow_execution_duration_seconds", "Duration of the last slow command."),

		bytesPerKey:      t.gauge("memory_per_key_bytes", "Memory used above that at start, divided by the number of keys."),
		datasetRatio:     t.gauge("memory_dataset_ratio", "Share of the data in the memory used above that at start."),
		peakRatio:        t.gauge("memory_peak_ratio", "Memory used now to the most ever used."),
		databaseOverhead: t.gauge("db_overhead_bytes", "Memory of the hash tables of a database.", "db", "table"),

		aclUsers: t.gauge("acl_users", "Users of the access control list."),
	}
}

// exporter writes what is known even if the server is down.
func (w *writer) exporter(s *snapshot) {
	reason := ReasonOf(s.err)
	w.flag(w.up, s.err == nil)
	w.flag(w.lastError, s.err != nil, string(reason))
	w.add(w.lastSeconds, s.took.Seconds())
	w.add(w.lastConnect, s.connect.Seconds())
	if w.config.Ping {
		w.add(w.lastPing, s.ping.Seconds())
	}
	if s.collections > 0 {
		w.add(w.collections, float64(s.collections))
		w.summary(w.collectionSeconds, s.collections, s.seconds, nil)
	}
}

// server writes the lines of INFO that are metrics by themselves.
func (w *writer) server() {
	seen := map[*family]bool{}
	for _, line := range w.info {
		if f := w.fields[line.key]; f != nil && !seen[f] {
			if v, ok := number(line.value); ok {
				seen[f] = true
				w.add(f, v*f.scale)
			}
		} else if line.key == "module" {
			w.moduleInfo(line.value)
		}
	}
	w.startTimestamp()
	w.add(w.serverInfo, 1, w.facts.flavour, w.facts.version)
	values := make([]string, len(w.instance.labels))
	for i, label := range w.instance.labels {
		values[i] = w.info.get(label)
		if label == "redis_mode" {
			values[i] = modeOf(w.info)
		}
	}
	w.add(w.instance, 1, values...)
}

// startTimestamp tells when the server started by its own clock, if it tells it.
func (w *writer) startTimestamp() {
	uptime, err := strconv.ParseInt(w.info.get("uptime_in_seconds"), 10, 64)
	if err != nil {
		return
	}
	now := w.now.Unix()
	if usec, err := strconv.ParseInt(w.info.get("server_time_usec"), 10, 64); err == nil {
		now = usec / int64(time.Second/time.Microsecond)
	}
	w.add(w.startTime, float64(now-uptime))
}

// moduleInfo writes a line like name=search,ver=20612,api=1,filters=0,usedby=[],using=[],options=[].
func (w *writer) moduleInfo(value string) {
	values := make([]string, len(w.module.labels))
	for k, v := range pairs(value) {
		for i, label := range w.module.labels {
			if label == k {
				values[i] = strings.Trim(v, "[]")
			}
		}
	}
	w.add(w.module, 1, values...)
}

// slowlog writes SLOWLOG LEN and the newest entry of SLOWLOG GET, whose
// arguments are nobody's business.
func (w *writer) slowlog(replies []reply) error {
	length, ok := toNumber(replies[0].value)
	if !ok {
		return errReply
	}
	w.add(w.slowlogLength, length)
	entries, err := replies[1].list()
	if err != nil {
		return err
	}
	id, seconds := 0.0, 0.0
	if len(entries) > 0 {
		entry, ok := entries[0].([]any)
		if !ok || len(entry) < 3 {
			return errReply
		}
		id, _ = toNumber(entry[0])
		usec, _ := toNumber(entry[2])
		seconds = usec / 1e6
	}
	w.add(w.slowlogLastID, id)
	w.add(w.slowlogLastSeconds, seconds)
	return nil
}

// memoryStats writes what MEMORY STATS tells beyond INFO.
func (w *writer) memoryStats(replies []reply) error {
	ratios := map[string]struct {
		*family
		scale float64
	}{
		"keys.bytes-per-key": {w.bytesPerKey, 1},
		"dataset.percentage": {w.datasetRatio, 0.01},
		"peak.percentage":    {w.peakRatio, 0.01},
	}
	databases := 0
	for name, value := range fields(replies[0].value) {
		if r, ok := ratios[name]; ok {
			if v, ok := toNumber(value); ok {
				w.add(r.family, v*r.scale)
			}
		}
		if isNumbered(name, "db.") && databases < maxDatabases {
			databases++
			w.overhead("db"+strings.TrimPrefix(name, "db."), value)
		}
	}
	return nil
}

// overhead writes the part of MEMORY STATS that is about one database.
func (w *writer) overhead(db string, value any) {
	for name, bytes := range fields(value) {
		if table, ok := strings.CutPrefix(name, "overhead.hashtable."); ok {
			if v, ok := toNumber(bytes); ok && (table == "main" || table == "expires") {
				w.add(w.databaseOverhead, v, db, table)
			}
		}
	}
}

// acl writes how many users ACL USERS lists.
func (w *writer) acl(replies []reply) error {
	users, err := replies[0].list()
	if err != nil {
		return err
	}
	w.add(w.aclUsers, float64(len(users)))
	return nil
}
