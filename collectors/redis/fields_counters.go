package redis

var trafficFields = []field{
	{key: "total_connections_received", name: "connections_received_total", help: "Connections accepted."},
	{key: "rejected_connections", name: "rejected_connections_total", help: "Connections rejected because there were too many clients."},
	{key: "total_commands_processed", name: "commands_processed_total", help: "Commands processed."},
	{key: "total_net_input_bytes", name: "net_input_bytes_total", help: "Bytes received."},
	{key: "total_net_output_bytes", name: "net_output_bytes_total", help: "Bytes sent."},
	{key: "total_net_repl_input_bytes", name: "net_repl_input_bytes_total", help: "Bytes received for replication."},
	{key: "total_net_repl_output_bytes", name: "net_repl_output_bytes_total", help: "Bytes sent for replication."},
	{key: "total_reads_processed", name: "total_reads_processed", help: "Reads from clients."},
	{key: "total_writes_processed", name: "total_writes_processed", help: "Writes to clients."},
	{key: "io_threaded_reads_processed", name: "io_threaded_reads_processed", help: "Reads from clients by threads."},
	{key: "io_threaded_writes_processed", name: "io_threaded_writes_processed", help: "Writes to clients by threads."},
	{key: "reply_buffer_shrinks", name: "reply_buffer_shrinks_total", help: "Times a reply buffer was made smaller."},
	{key: "reply_buffer_expands", name: "reply_buffer_expands_total", help: "Times a reply buffer was made larger."},
	{key: "client_query_buffer_limit_disconnections", name: "client_query_buffer_limit_disconnections_total", help: "Clients disconnected for the size of their query buffer."},
	{key: "client_output_buffer_limit_disconnections", name: "client_output_buffer_limit_disconnections_total", help: "Clients disconnected for the size of their output buffer."},
	{key: "total_client_processing_events", name: "client_processing_events_total", help: "Times the input buffer of a client was looked at for commands."},
	{key: "avg_pipeline_length_sum", name: "client_processing_pipeline_commands_total", help: "Commands parsed from the input buffers of clients."},
	{key: "avg_pipeline_length_cnt", name: "client_processing_pipeline_batches_total", help: "Times at least one command was parsed from the input buffer of a client."},
	{key: "unexpected_error_replies", name: "unexpected_error_replies", help: "Error replies to or from replicas that were not expected."},
	{key: "total_error_replies", name: "total_error_replies", help: "Error replies sent."},
	{key: "dump_payload_sanitizations", name: "dump_payload_sanitizations", help: "Deep validations of RESTORE payloads."},
}

var eventLoopFields = []field{
	{key: "eventloop_cycles", name: "eventloop_cycles_total", help: "Cycles of the event loop."},
	{key: "eventloop_duration_sum", name: "eventloop_duration_sum_usec_total", help: "Time spent in the event loop in microseconds, input, output and commands included."},
	{key: "eventloop_duration_cmd_sum", name: "eventloop_duration_cmd_sum_usec_total", help: "Time the event loop spent in commands in microseconds."},
	{key: "eventloop_cycles_with_clients_processing", name: "eventloop_cycles_with_clients_processing_total", help: "Cycles of the event loop in which input of clients was processed."},
	{key: "slowlog_commands_count", name: "slowlog_commands_total", help: "Commands written to the slow log."},
	{key: "slowlog_commands_time_ms_sum", name: "slowlog_commands_duration_seconds_total", help: "Time spent in the commands of the slow log.", scale: 1e-3},
}

var keyFields = []field{
	{key: "expired_keys", name: "expired_keys_total", help: "Keys that expired."},
	{key: "expired_subkeys", name: "expired_subkeys_total", help: "Fields of hashes that expired."},
	{key: "expired_fields", name: "expired_fields_total", help: "Fields of hashes that expired (Valkey)."},
	{key: "expired_time_cap_reached_count", name: "expired_time_cap_reached_total", help: "Expire cycles that stopped early for lack of time."},
	{key: "expire_cycle_cpu_milliseconds", name: "expire_cycle_cpu_time_ms_total", help: "CPU time of expire cycles in milliseconds."},
	{key: "evicted_keys", name: "evicted_keys_total", help: "Keys evicted for lack of memory."},
	{key: "evicted_clients", name: "evicted_clients_total", help: "Clients evicted for lack of memory."},
	{key: "evicted_scripts", name: "evicted_scripts_total", help: "Scripts evicted from the cache."},
	{key: "total_eviction_exceeded_time", name: "eviction_exceeded_time_ms_total", help: "Time the memory was above its limit, in milliseconds."},
	{key: "keyspace_hits", name: "keyspace_hits_total", help: "Lookups of keys that were there."},
	{key: "keyspace_misses", name: "keyspace_misses_total", help: "Lookups of keys that were not there."},
	{key: "cached_keys", name: "cached_keys_total", help: "Keys in memory (KeyDB with flash storage)."},
	{key: "storage_provider_read_hits", name: "storage_provider_read_hits", help: "Reads that flash storage answered (KeyDB)."},
	{key: "storage_provider_read_misses", name: "storage_provider_read_misses", help: "Reads that flash storage could not answer (KeyDB)."},
	{key: "total_forks", name: "forks_total", help: "Forks of the server."},
	{key: "aof_rewrites", name: "aof_rewrites_total", help: "Rewrites of the append only file."},
}

var cpuFields = []field{
	{key: "used_cpu_sys", name: "cpu_sys_seconds_total", help: "CPU time in the kernel."},
	{key: "used_cpu_user", name: "cpu_user_seconds_total", help: "CPU time in the program."},
	{key: "used_cpu_sys_children", name: "cpu_sys_children_seconds_total", help: "CPU time of child processes in the kernel."},
	{key: "used_cpu_user_children", name: "cpu_user_children_seconds_total", help: "CPU time of child processes in the program."},
	{key: "used_cpu_sys_main_thread", name: "cpu_sys_main_thread_seconds_total", help: "CPU time of the main thread in the kernel."},
	{key: "used_cpu_user_main_thread", name: "cpu_user_main_thread_seconds_total", help: "CPU time of the main thread in the program."},
	{key: "used_active_time_main_thread", name: "active_time_main_thread_seconds_total", help: "Time the main thread was at work (Valkey)."},
}

var denialFields = []field{
	{key: "acl_access_denied_auth", name: "acl_access_denied_auth_total", help: "Authentications that were denied."},
	{key: "acl_access_denied_cmd", name: "acl_access_denied_cmd_total", help: "Commands that were denied for the command."},
	{key: "acl_access_denied_key", name: "acl_access_denied_key_total", help: "Commands that were denied for a key."},
	{key: "acl_access_denied_tls_cert", name: "acl_access_denied_tls_cert_total", help: "Authentications by certificate that were denied (Valkey)."},
	{key: "acl_access_denied_db", name: "acl_access_denied_db_total", help: "Commands that were denied for a database (Valkey)."},
	{key: "acl_access_denied_channel", name: "acl_access_denied_channel_total", help: "Commands that were denied for a channel."},
}
