package redis

import (
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// valkeyFields are lines of INFO that only Valkey has.
var valkeyFields = []field{
	{key: "tls_server_cert_expires_in_seconds", name: "tls_server_cert_expires_in_seconds", help: "Time until the certificate of the server expires, 0 if there is none (Valkey)."},
	{key: "tls_client_cert_expires_in_seconds", name: "tls_client_cert_expires_in_seconds", help: "Time until the certificate the server has as a client expires, 0 if there is none (Valkey)."},
	{key: "tls_ca_cert_expires_in_seconds", name: "tls_ca_cert_expires_in_seconds", help: "Time until the first of the CA certificates of the server expires, 0 if there is none (Valkey)."},
	{key: "engines_count", name: "scripting_engines_count", help: "Engines that run scripts (Valkey)."},
	{key: "engines_total_used_memory", name: "scripting_engines_memory_used_bytes", help: "Memory of all engines that run scripts (Valkey)."},
	{key: "engines_total_memory_overhead", name: "scripting_engines_memory_overhead_bytes", help: "Memory all engines take beside their scripts (Valkey)."},
}

// valkeyMetrics are about what only Valkey tells in INFO.
type valkeyMetrics struct {
	threadSeconds, certificate           *collect.Family
	engine, engineMemory, engineOverhead *collect.Family
	logLengths                           []*collect.Family          // by commandLogs
	logSettings                          map[string]*collect.Family // by parameter
}

// commandLogs are the command logs of Valkey: SLOWLOG and two more.
var commandLogs = []string{"slow", "large-request", "large-reply"}

func newValkeyMetrics(t *collect.Families) valkeyMetrics {
	const name, module, version = "engine", "module", "abi_version"
	m := valkeyMetrics{
		threadSeconds:  t.Counter("active_time_io_thread_seconds_total", "Time a thread for input and output was at work (Valkey).", "thread"),
		certificate:    t.Gauge("tls_certificate_info", "Constant 1, labelled with a certificate and its serial number (Valkey).", "certificate", "serial"),
		engine:         t.Gauge("scripting_engine_info", "Constant 1, labelled with an engine that runs scripts (Valkey).", name, module, version),
		engineMemory:   t.Gauge("scripting_engine_memory_used_bytes", "Memory of an engine that runs scripts (Valkey).", name, module, version),
		engineOverhead: t.Gauge("scripting_engine_memory_overhead_bytes", "Memory an engine takes beside its scripts (Valkey).", name, module, version),
		logSettings: map[string]*collect.Family{
			"commandlog-execution-slower-than":  t.Gauge("commandlog_execution_slower_than", "Time in microseconds from which on a command is in the log of slow commands, as configured (Valkey)."),
			"commandlog-request-larger-than":    t.Gauge("commandlog_request_larger_than", "Size in bytes from which on a command is in the log of large requests, as configured (Valkey)."),
			"commandlog-reply-larger-than":      t.Gauge("commandlog_reply_larger_than", "Size in bytes from which on a command is in the log of large replies, as configured (Valkey)."),
			"commandlog-slow-execution-max-len": t.Gauge("commandlog_slow_execution_max_len", "Most entries of the log of slow commands, as configured (Valkey)."),
			"commandlog-large-request-max-len":  t.Gauge("commandlog_large_request_max_len", "Most entries of the log of large requests, as configured (Valkey)."),
			"commandlog-large-reply-max-len":    t.Gauge("commandlog_large_reply_max_len", "Most entries of the log of large replies, as configured (Valkey)."),
		},
	}
	for _, log := range commandLogs {
		kind := strings.ReplaceAll(log, "-", "_")
		m.logLengths = append(m.logLengths, t.Gauge("commandlog_"+kind+"_length", "Entries of the log of "+logNames[log]+" (Valkey)."))
	}
	return m
}

// logNames are what help calls the logs.
var logNames = map[string]string{"slow": "slow commands", "large-request": "large requests", "large-reply": "large replies"}

// write writes the lines of INFO that have labels.
func (m *valkeyMetrics) write(s *scrape) {
	engines := 0
	for _, line := range s.info {
		if line.section == "tls" {
			if kind, ok := strings.CutPrefix(line.key, "tls_"); ok {
				if kind, ok = strings.CutSuffix(kind, "_cert_serial"); ok && len(kind) <= maxName {
					s.Add(m.certificate, 1, kind, line.value)
				}
			}
		}
		if line.section == "scripting engines" && isNumbered(line.key, "engine_") && engines < maxEngines {
			engines++
			m.oneEngine(s, line.value)
		}
		if isNumbered(line.key, "used_active_time_io_thread_") {
			if v, ok := number(line.value); ok {
				s.Add(m.threadSeconds, v, strings.TrimPrefix(line.key, "used_active_time_io_thread_"))
			}
		}
	}
}

// oneEngine writes name=LUA,module=built-in,abi_version=3,used_memory=69632,memory_overhead=56.
func (m *valkeyMetrics) oneEngine(s *scrape, value string) {
	fields := map[string]string{}
	for k, v := range pairs(value) {
		fields[k] = v
	}
	labels := []string{fields["name"], fields["module"], fields["abi_version"]}
	s.Add(m.engine, 1, labels...)
	if v, ok := number(fields["used_memory"]); ok {
		s.Add(m.engineMemory, v, labels...)
	}
	if v, ok := number(fields["memory_overhead"]); ok {
		s.Add(m.engineOverhead, v, labels...)
	}
}

// logCommands asks for the length of each log, and for what is configured
// about them.
func logCommands(c *Config, _ *facts) []command {
	var commands []command
	for _, log := range commandLogs {
		commands = append(commands, command{"COMMANDLOG", "LEN", log})
	}
	if c.ConfigCommand != "-" {
		commands = append(commands, command{c.ConfigCommand, "GET", "commandlog-*"})
	}
	return commands
}

// logs writes the replies to logCommands.
func (m *valkeyMetrics) logs(s *scrape, replies []reply) error {
	for i, f := range m.logLengths {
		if v, ok := toNumber(replies[i].value); ok {
			s.Add(f, v)
		}
	}
	for _, r := range replies[len(m.logLengths):] {
		for name, value := range fields(r.value) {
			if f := m.logSettings[name]; f != nil {
				if v, ok := toNumber(value); ok {
					s.Add(f, v)
				}
			}
		}
	}
	return nil
}
