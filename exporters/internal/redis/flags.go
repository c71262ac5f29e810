package redis

import (
	"regexp"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// flags are the flags of this binary. Names and variables of the environment
// are those of the established redis_exporter where it has them.
type flags struct {
	*exporter.Flags
	configFile  string
	configCheck bool
	connection
	metricFlags
	keyFlags
}

// connection is how to reach the server.
type connection struct {
	addr, user, passwordFile, sentinelPasswordFile string
	timeout                                        time.Duration
	cluster, hostnames, setClientName, noProbes    bool
	tls                                            config.TLS
}

// metricFlags choose among the metrics of a scrape.
type metricFlags struct {
	namespace, configCommand            string
	ping, configValues, system, modules bool
	noHistograms, emptyDatabases        bool
	clientList, clientPorts             bool
	maxClientList, maxClientSeries      int
	peers, slots, snapshot, search      bool
	searchIndexes                       *regexp.Regexp
}

// keyFlags are for the work in the background.
type keyFlags struct {
	keys, singleKeys, counts, streams, singleStreams, queues string
	groups                                                   string
	noConsumers, noValues, skipOnMaster                      bool
	interval, timeout                                        time.Duration
	batch, maxScanned, maxKeys, maxGroups                    int
	scripts                                                  string
	scriptTimeout                                            time.Duration
}

// newApp declares the flags.
func newApp() (*kingpin.Application, *flags) {
	app := kingpin.New("redis_exporter", "Metrics of Redis, Valkey, KeyDB and Dragonfly.")
	f := &flags{}
	f.Flags = exporter.AddFlags(app, ":9121")
	app.Flag("config.file", "YAML file with the targets and modules of probes.").StringVar(&f.configFile)
	app.Flag("config.check", "Check flags and files and exit.").BoolVar(&f.configCheck)
	f.connection.add(app)
	f.metricFlags.add(app)
	f.keyFlags.add(app)
	f.AddSettings(app, upstreamSettings)
	return app, f
}

func (c *connection) add(app *kingpin.Application) {
	app.Flag("redis.addr", "Address of the server: redis://host:port/db, rediss://… with TLS, unix:///path, sentinel://host:port,host:port/master, sentinels://… with TLS, or host:port. Leave it empty to serve probes only.").
		Envar("REDIS_ADDR").Default("redis://localhost:6379").StringVar(&c.addr)
	app.Flag("redis.user", "User name. Its password is read from a file or the variable REDIS_PASSWORD.").
		Envar("REDIS_USER").StringVar(&c.user)
	app.Flag("redis.password-file", "File with the password, or with a JSON object of passwords by address. It is read at each new connection.").
		Envar("REDIS_PASSWORD_FILE").StringVar(&c.passwordFile)
	app.Flag("redis.sentinel-password-file", "File with the password of the sentinels. The variable REDIS_SENTINEL_PASSWORD may hold it instead.").
		Envar("REDIS_SENTINEL_PASSWORD_FILE").StringVar(&c.sentinelPasswordFile)
	app.Flag("connection-timeout", "Timeout for connecting, within the scrape timeout.").
		Default("5s").DurationVar(&c.timeout)
	app.Flag("is-cluster", "The server is part of a cluster: search for keys on all of its nodes.").BoolVar(&c.cluster)
	app.Flag("cluster-discover-hostnames", "List nodes of the cluster by the host names that they announce, where they do.").BoolVar(&c.hostnames)
	app.Flag("disable-scrape-endpoint", "Do not serve probes: /probe and /scrape.").BoolVar(&c.noProbes)
	app.Flag("set-client-name", "Set the name of connections to redis_exporter.").Default("true").BoolVar(&c.setClientName)
	app.Flag("tls-ca-cert-file", "CA certificates (PEM) to verify the server with.").StringVar((*string)(&c.tls.CAFile))
	app.Flag("tls-client-cert-file", "Client certificate (PEM).").StringVar((*string)(&c.tls.CertFile))
	app.Flag("tls-client-key-file", "Key (PEM) of the client certificate.").StringVar((*string)(&c.tls.KeyFile))
	app.Flag("tls-server-name", "Server name to verify the certificate for, if it is not the host of the address.").StringVar(&c.tls.ServerName)
	app.Flag("tls-insecure-skip-verify", "Do not verify the certificate of the server (insecure).").BoolVar(&c.tls.InsecureSkipVerify)
}

func (m *metricFlags) add(app *kingpin.Application) {
	app.Flag("namespace", "Prefix of all metrics of the server.").Default("redis").StringVar(&m.namespace)
	app.Flag("config-command", "Name of the CONFIG command. Use - to disable it.").Default("CONFIG").StringVar(&m.configCommand)
	app.Flag("ping-on-connect", "Send a PING at each scrape and expose its duration.").BoolVar(&m.ping)
	app.Flag("include-config-metrics", "Expose all configuration parameters, except secrets.").BoolVar(&m.configValues)
	app.Flag("include-system-metrics", "Expose the total memory of the server's host.").BoolVar(&m.system)
	app.Flag("include-modules-metrics", "Expose metrics that modules write themselves: search, and bloom and JSON of Valkey.").BoolVar(&m.modules)
	app.Flag("include-search-indexes-metrics", "Expose the indexes of the search module.").BoolVar(&m.search)
	app.Flag("check-search-indexes", "Regular expression for the names of indexes of the search module to expose.").Default(".*").RegexpVar(&m.searchIndexes)
	app.Flag("include-sentinel-peer-info", "Expose the other sentinels of each master of a sentinel.").BoolVar(&m.peers)
	app.Flag("include-cluster-slot-stats", "Expose what a node of a cluster counts by slot: four series for each of up to 16384 slots.").BoolVar(&m.slots)
	app.Flag("include-rdb-file-size-metric", "Expose the size of the file of the snapshot, which must be on this machine.").BoolVar(&m.snapshot)
	app.Flag("exclude-latency-histogram-metrics", "Exclude the latency histograms of commands.").BoolVar(&m.noHistograms)
	app.Flag("include-metrics-for-empty-databases", "Expose databases without keys.").Default("true").BoolVar(&m.emptyDatabases)
	app.Flag("export-client-list", "Expose metrics of each connected client.").BoolVar(&m.clientList)
	app.Flag("export-client-port", "Include the ports of clients in their metrics.").BoolVar(&m.clientPorts)
	app.Flag("export-client-limit", "Maximum number of clients with metrics of their own.").Default("100").IntVar(&m.maxClientSeries)
	app.Flag("client-list-limit", "Maximum number of connected clients for which CLIENT LIST is run. Use -1 to disable it.").Default("1000").IntVar(&m.maxClientList)
}

func (k *keyFlags) add(app *kingpin.Application) {
	app.Flag("check-keys", "Patterns of keys to expose, as db0=pattern, comma-separated.").StringVar(&k.keys)
	app.Flag("check-single-keys", "Keys to expose, as db0=key, comma-separated.").StringVar(&k.singleKeys)
	app.Flag("count-keys", "Patterns of keys to count, as db0=pattern, comma-separated.").StringVar(&k.counts)
	app.Flag("check-streams", "Patterns of streams to expose, as db0=pattern, comma-separated.").StringVar(&k.streams)
	app.Flag("check-single-streams", "Streams to expose, as db0=key, comma-separated.").StringVar(&k.singleStreams)
	app.Flag("streams-exclude-consumer-metrics", "Exclude the consumers of streams.").BoolVar(&k.noConsumers)
	app.Flag("check-queues", "Lists whose length is exposed, 0 if they do not exist, as db0=key, comma-separated. Use it for queues, such as those of Celery.").StringVar(&k.queues)
	app.Flag("check-key-groups", "Lua patterns whose captures name the group of a key, comma-separated.").StringVar(&k.groups)
	app.Flag("max-distinct-key-groups", "Maximum number of key groups. Keys of further groups are in the group overflow.").Default("100").IntVar(&k.maxGroups)
	app.Flag("disable-exporting-key-values", "Exclude the values of keys.").BoolVar(&k.noValues)
	app.Flag("skip-checkkeys-for-role-master", "Do not check keys on masters.").BoolVar(&k.skipOnMaster)
	app.Flag("check-keys-batch-size", "Number of keys per round trip.").Default("1000").IntVar(&k.batch)
	app.Flag("check-interval", "Interval between two checks of keys and runs of scripts.").Default("1m").DurationVar(&k.interval)
	app.Flag("check-timeout", "Timeout for a check of keys.").Default("30s").DurationVar(&k.timeout)
	app.Flag("check-keys-limit", "Maximum number of keys, and of streams, groups and consumers, with metrics of their own.").Default("500").IntVar(&k.maxKeys)
	app.Flag("check-scan-limit", "Maximum number of keys that are scanned per check.").Default("10000000").IntVar(&k.maxScanned)
	app.Flag("script", "Files with Lua scripts that return names and numbers, comma-separated. They are run read-only.").StringVar(&k.scripts)
	app.Flag("script-timeout", "Timeout for a script before it is killed.").Default("5s").DurationVar(&k.scriptTimeout)
}
