# Shared by the scripts of this folder: a cluster that is restored beside production,
# in the directory SIDE. Nothing of it may reach production: it listens nowhere, it
# archives nothing, and its settings are its own, not those of production's files,
# which may name production's directory.
# shellcheck shell=bash

# side_restore REPO TIMELINE TARGET [OPTIONS…] restores the state of a time.
side_restore() {
	local repo=$1 timeline=$2 target=$3 set
	shift 3
	set=$(backup_for "$timeline" "$(date --date="$target" +%s)") || die "repository $repo has no backup from which timeline $timeline reaches $target"
	mkdir --mode=700 "$SIDE" "$SIDE/data" "$SIDE/tablespaces" "$SIDE/socket"
	backrest --repo="$repo" --set="$set" --pg1-path="$SIDE/data" --tablespace-map-all="$SIDE/tablespaces" --type=time --target="$target" \
		--target-timeline="$timeline" --target-action=promote --archive-mode=off "$@" restore >&2
}

side_start() {
	printf 'local all all trust\n' >"$SIDE/hba.conf"
	: >"$SIDE/postgresql.conf"
	# The server must not inherit the lock, and without hot_standby the limits of
	# production need not be repeated.
	"$PG_BIN/pg_ctl" --pgdata="$SIDE/data" --log="$SIDE/log" --timeout="$RTO_SECONDS" --wait --silent start --options="\
-c 'config_file=$SIDE/postgresql.conf' -c 'data_directory=$SIDE/data' -c 'hba_file=$SIDE/hba.conf' -c 'ident_file=$SIDE/hba.conf' \
-c external_pid_file= -c archive_mode=off -c archive_command=false -c listen_addresses= -c port=5432 -c 'unix_socket_directories=$SIDE/socket' \
-c hot_standby=off -c shared_preload_libraries=$TEST_PRELOAD -c ssl=off -c logging_collector=off -c cluster_name=dr-side" >&2 9>&- || {
		tail -n 30 "$SIDE/log" >&2
		die "the restored cluster does not start"
	}
}

# side_promoted waits until the cluster has reached the target and takes connections.
side_promoted() {
	local deadline=$((SECONDS + RTO_SECONDS))
	until side "SELECT 1" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$deadline" ] || ! "$PG_BIN/pg_ctl" --pgdata="$SIDE/data" status >/dev/null; then
			tail -n 30 "$SIDE/log" >&2
			die "the restored cluster does not reach the target"
		fi
		sleep 0.2
	done
}

# side runs a statement on it; its owner is production's.
side() {
	psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --host="$SIDE/socket" --port=5432 --username="$OWNER" \
		--dbname="${DATABASE:-$CANARY_DATABASE}" --command="$1"
}

# side_stop MODE stops it, where it runs.
side_stop() {
	if [ -s "$SIDE/data/postmaster.pid" ]; then "$PG_BIN/pg_ctl" --pgdata="$SIDE/data" --mode="$1" --wait --silent stop >&2; fi
}
