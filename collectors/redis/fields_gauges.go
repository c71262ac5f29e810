package redis

var serverFields = []field{
	{key: "uptime_in_seconds", name: "uptime_in_seconds", help: "Time since the server started."},
	{key: "process_id", name: "process_id", help: "Process id of the server."},
	{key: "hz", name: "hz", help: "Current frequency of the server's background work."},
	{key: "configured_hz", name: "configured_hz", help: "Configured frequency of the server's background work."},
	{key: "io_threads_active", name: "io_threads_active", help: "Whether input and output use threads now."},
}

var clientFields = []field{
	{key: "connected_clients", name: "connected_clients", help: "Clients connected, without replicas."},
	{key: "active_clients", name: "active_clients", help: "Clients that were active lately."},
	{key: "blocked_clients", name: "blocked_clients", help: "Clients that wait in a blocking command."},
	{key: "maxclients", name: "max_clients", help: "Clients that may be connected at the same time."},
	{key: "tracking_clients", name: "tracking_clients", help: "Clients with tracking of keys for client side caching."},
	{key: "clients_in_timeout_table", name: "clients_in_timeout_table", help: "Clients that wait with a timeout."},
	{key: "pubsub_clients", name: "pubsub_clients", help: "Clients in publish and subscribe mode."},
	{key: "watching_clients", name: "watching_clients", help: "Clients that watch keys for a transaction."},
	{key: "total_watched_keys", name: "total_watched_keys", help: "Keys watched for transactions."},
	{key: "total_blocking_keys", name: "total_blocking_keys", help: "Keys that clients block on."},
	{key: "total_blocking_keys_on_nokey", name: "total_blocking_keys_on_nokey", help: "Keys that clients block on and whose deletion unblocks them."},
	{key: "cluster_connections", name: "cluster_connections", help: "Sockets the cluster bus uses, about."},
	{key: "client_recent_max_input_buffer", name: "client_recent_max_input_buffer_bytes", help: "Largest input buffer among current clients."},
	{key: "client_recent_max_output_buffer", name: "client_recent_max_output_buffer_bytes", help: "Largest output buffer among current clients."},
	{key: "client_longest_output_list", name: "client_longest_output_list", help: "Longest output list among current clients (before Redis 5)."},
	{key: "client_biggest_input_buf", name: "client_biggest_input_buf", help: "Largest input buffer among current clients (before Redis 5)."},
}

var persistenceFields = []field{
	{key: "loading", name: "loading_dump_file", help: "Whether the server is loading its data set."},
	{key: "async_loading", name: "async_loading", help: "Whether a replica is loading a data set while it serves the old one."},
	{key: "rdb_changes_since_last_save", name: "rdb_changes_since_last_save", help: "Changes since the last snapshot."},
	{key: "rdb_bgsave_in_progress", name: "rdb_bgsave_in_progress", help: "Whether a snapshot is being written."},
	{key: "backup_in_progress", name: "backup_in_progress", help: "Whether a backup is being written."},
	{key: "rdb_last_save_time", name: "rdb_last_save_timestamp_seconds", help: "Time of the last successful snapshot."},
	{key: "rdb_last_bgsave_status", name: "rdb_last_bgsave_status", help: "Whether the last snapshot succeeded."},
	{key: "rdb_last_bgsave_time_sec", name: "rdb_last_bgsave_duration_sec", help: "Duration of the last snapshot in seconds."},
	{key: "rdb_current_bgsave_time_sec", name: "rdb_current_bgsave_duration_sec", help: "Duration of the snapshot in progress in seconds, or -1."},
	{key: "rdb_saves", name: "rdb_saves_total", help: "Snapshots written since the server started."},
	{key: "rdb_last_cow_size", name: "rdb_last_cow_size_bytes", help: "Memory copied on write during the last snapshot."},
	{key: "rdb_last_load_keys_expired", name: "rdb_last_load_expired_keys", help: "Expired keys dropped when a snapshot was last loaded."},
	{key: "rdb_last_load_keys_loaded", name: "rdb_last_load_loaded_keys", help: "Keys loaded when a snapshot was last loaded."},
	{key: "aof_enabled", name: "aof_enabled", help: "Whether the append only file is on."},
	{key: "aof_rewrite_in_progress", name: "aof_rewrite_in_progress", help: "Whether the append only file is being rewritten."},
	{key: "aof_rewrite_scheduled", name: "aof_rewrite_scheduled", help: "Whether a rewrite of the append only file follows the snapshot in progress."},
	{key: "aof_last_rewrite_time_sec", name: "aof_last_rewrite_duration_sec", help: "Duration of the last rewrite of the append only file in seconds."},
	{key: "aof_current_rewrite_time_sec", name: "aof_current_rewrite_duration_sec", help: "Duration of the rewrite of the append only file in progress in seconds, or -1."},
	{key: "aof_last_cow_size", name: "aof_last_cow_size_bytes", help: "Memory copied on write during the last rewrite of the append only file."},
	{key: "aof_current_size", name: "aof_current_size_bytes", help: "Size of the append only file."},
	{key: "aof_base_size", name: "aof_base_size_bytes", help: "Size of the append only file after the last start or rewrite."},
	{key: "aof_pending_rewrite", name: "aof_pending_rewrite", help: "Whether a rewrite of the append only file waits for a snapshot."},
	{key: "aof_buffer_length", name: "aof_buffer_length", help: "Size of the buffer of the append only file."},
	{key: "aof_rewrite_buffer_length", name: "aof_rewrite_buffer_length", help: "Size of the rewrite buffer of the append only file."},
	{key: "aof_pending_bio_fsync", name: "aof_pending_bio_fsync", help: "Synchronizations of the append only file that wait."},
	{key: "aof_delayed_fsync", name: "aof_delayed_fsync", help: "Synchronizations of the append only file that were delayed."},
	{key: "aof_last_bgrewrite_status", name: "aof_last_bgrewrite_status", help: "Whether the last rewrite of the append only file succeeded."},
	{key: "aof_last_write_status", name: "aof_last_write_status", help: "Whether the last write to the append only file succeeded."},
	{key: "module_fork_in_progress", name: "module_fork_in_progress", help: "Whether a module has a fork running."},
	{key: "module_fork_last_cow_size", name: "module_fork_last_cow_size", help: "Memory copied on write during the last fork of a module, in bytes."},
}

var statFields = []field{
	{key: "current_eviction_exceeded_time", name: "current_eviction_exceeded_time_ms", help: "Time the memory has been above its limit now, in milliseconds."},
	{key: "pubsub_channels", name: "pubsub_channels", help: "Channels with subscribers."},
	{key: "pubsub_patterns", name: "pubsub_patterns", help: "Patterns with subscribers."},
	{key: "pubsubshard_channels", name: "pubsubshard_channels", help: "Shard channels with subscribers."},
	{key: "latest_fork_usec", name: "latest_fork_seconds", help: "Duration of the last fork.", scale: 1e-6},
	{key: "migrate_cached_sockets", name: "migrate_cached_sockets_total", help: "Sockets kept open for MIGRATE."},
	{key: "expired_keys_with_volatile_items_stale_perc", name: "expired_keys_with_volatile_items_stale_percentage", help: "Share of keys whose fields have expired and are still there, in percent, estimated."},
	{key: "expired_stale_perc", name: "expired_stale_percentage", help: "Share of keys that have expired and are still there, in percent, estimated."},
	{key: "tracking_total_keys", name: "tracking_total_keys", help: "Keys tracked for client side caching."},
	{key: "tracking_total_items", name: "tracking_total_items", help: "Pairs of key and client tracked for client side caching."},
	{key: "tracking_total_prefixes", name: "tracking_total_prefixes", help: "Prefixes tracked for client side caching in broadcast mode."},
	{key: "hash_templates", name: "hash_templates", help: "Templates that hashes share their field names by."},
	{key: "hash_template_keys", name: "hash_template_keys", help: "Hashes that use a template."},
	{key: "instantaneous_eventloop_cycles_per_sec", name: "instantaneous_eventloop_cycles_per_sec", help: "Cycles of the event loop in a second, lately."},
	{key: "instantaneous_eventloop_duration_usec", name: "instantaneous_eventloop_duration_usec", help: "Average duration of a cycle of the event loop in microseconds, lately."},
	{key: "avg_pipeline_length", name: "client_processing_pipeline_length", help: "Average number of commands that are parsed at once from a client."},
	{key: "slowlog_commands_time_ms_max", name: "slowlog_commands_duration_seconds_max", help: "Longest duration of a command of the slow log.", scale: 1e-3},
	{key: "active_defrag_hits", name: "defrag_hits", help: "Values moved by active defragmentation."},
	{key: "active_defrag_misses", name: "defrag_misses", help: "Values active defragmentation looked at and left."},
	{key: "active_defrag_key_hits", name: "defrag_key_hits", help: "Keys moved by active defragmentation."},
	{key: "active_defrag_key_misses", name: "defrag_key_misses", help: "Keys active defragmentation looked at and left."},
	{key: "slave_expires_tracked_keys", name: "slave_expires_tracked_keys", help: "Keys with a time to live that a writable replica tracks."},
	{key: "sync_full", name: "replica_resyncs_full", help: "Full synchronizations with replicas."},
	{key: "sync_partial_ok", name: "replica_partial_resync_accepted", help: "Partial synchronizations with replicas that were accepted."},
	{key: "sync_partial_err", name: "replica_partial_resync_denied", help: "Partial synchronizations with replicas that were denied."},
}

var replicationFields = []field{
	{key: "connected_slaves", name: "connected_slaves", help: "Replicas connected."},
	{key: "master_repl_offset", name: "master_repl_offset", help: "Offset of the replication stream."},
	{key: "second_repl_offset", name: "second_repl_offset", help: "Offset up to which replication ids before a failover are accepted, or -1."},
	{key: "repl_backlog_active", name: "repl_backlog_is_active", help: "Whether there is a replication backlog."},
	{key: "repl_backlog_size", name: "replication_backlog_bytes", help: "Size of the replication backlog."},
	{key: "repl_backlog_first_byte_offset", name: "repl_backlog_first_byte_offset", help: "Offset of the replication backlog."},
	{key: "repl_backlog_histlen", name: "repl_backlog_history_bytes", help: "Data in the replication backlog."},
	{key: "replicas_waiting_psync", name: "replicas_waiting_psync", help: "Replicas that wait to synchronize from the backlog while a snapshot is sent."},
	{key: "replicas_repl_buffer_size", name: "replicas_repl_buffer_size_bytes", help: "Data that this replica keeps while it loads a snapshot."},
	{key: "replicas_repl_buffer_peak", name: "replicas_repl_buffer_peak_bytes", help: "Most data this replica kept while it loaded a snapshot."},
	{key: "slave_priority", name: "slave_priority", help: "Priority of this replica in a failover."},
}

var clusterFields = []field{
	{key: "cluster_enabled", name: "cluster_enabled", help: "Whether the server is in cluster mode."},
}

var sentinelFields = []field{
	{key: "sentinel_masters", name: "sentinel_masters", help: "Masters this sentinel watches."},
	{key: "sentinel_tilt", name: "sentinel_tilt", help: "Whether this sentinel is in TILT mode."},
	{key: "sentinel_running_scripts", name: "sentinel_running_scripts", help: "Scripts this sentinel runs."},
	{key: "sentinel_scripts_queue_length", name: "sentinel_scripts_queue_length", help: "Scripts that wait in this sentinel."},
	{key: "sentinel_simulate_failure_flags", name: "sentinel_simulate_failure_flags", help: "Failures this sentinel simulates, as bits."},
}

var keyDBFields = []field{
	{key: "server_threads", name: "server_threads_total", help: "Threads of the server (KeyDB)."},
	{key: "long_lock_waits", name: "long_lock_waits_total", help: "Long waits for the global lock (KeyDB)."},
	{key: "current_client_thread", name: "current_client_thread", help: "Thread that serves this client (KeyDB)."},
}
