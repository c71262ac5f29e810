# Shared by the scripts of this folder. It sets the shell up, reads the
# configuration, takes the lock and writes metrics.
# shellcheck shell=bash
set -euo pipefail
# Without it a failure inside $( ) is lost.
shopt -s inherit_errexit
umask 077

# Log lines go to standard error: standard output belongs to results, and a
# function whose result is captured must not capture its log.
say() { printf '%s: %s\n' "${PROGRAM:-${0##*/}}" "$*" >&2; }
die() { say "$*"; exit 1; }

# load reads the configuration and refuses what is missing of what the scripts need,
# those for PostgreSQL unless NEEDS has other names.
load() {
	local config=${DR_CONFIG:-/etc/dmarc-suite/dr.conf} name names=()
	read -r -a names <<<"${NEEDS:-STANZA REPOS TEXTFILE_DIR STATE_DIR RTO_SECONDS RPO_SECONDS PG_BIN}"
	[ -r "$config" ] || die "$config is not readable: copy dr.conf.example there"
	# shellcheck disable=SC1090
	. "$config"
	for name in "${names[@]}"; do
		[ -n "${!name:-}" ] || die "$name is not set in $config"
	done
	: "${DUMP_DIR:=}" "${DUMP_DATABASES:=}" "${DUMP_KEEP:=7}" "${AGE_RECIPIENTS:=}" "${AGE_IDENTITY:=}"
	: "${CANARY_DATABASE:=postgres}" "${TABLES:=}" "${TEST_PRELOAD:=}" "${WAL_SEGMENT_BYTES:=16777216}"
	# A sample such as 5m would cost all metrics, and DUMP_KEEP=0 all dumps.
	for name in DUMP_KEEP WAL_SEGMENT_BYTES ${RTO_SECONDS:+RTO_SECONDS} ${RPO_SECONDS:+RPO_SECONDS}; do
		[[ ${!name} =~ ^[1-9][0-9]*$ ]] || die "$name is a whole number above 0, not ${!name}, in $config"
	done
	# shellcheck disable=SC2034
	read -r -a REPO_LIST <<<"${REPOS:-}"
	for name in TEXTFILE_DIR STATE_DIR; do
		[ -d "${!name}" ] || die "$name ${!name} is not a directory"
	done
	[[ " ${names[*]} " != *" PG_BIN "* ]] || [ -x "$PG_BIN/pg_dump" ] || die "PG_BIN $PG_BIN holds no pg_dump"
}

# lock lets one run at a time change the backups; it is held until the script ends.
lock() {
	exec 9>"$STATE_DIR/$1.lock"
	flock --nonblock 9 || die "another run holds $STATE_DIR/$1.lock"
}

# begin takes the lock, makes the directory SCRATCH, and sets the traps: whatever
# ends the script from here on, the function finish runs, once. Success is what it
# reports only after the script has called succeeded; a signal is a failure, for
# which bash alone would give finish the status of the last command that ended.
begin() {
	RUN=$1 SUCCESS=0
	lock "$RUN"
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap ended EXIT
	SCRATCH=$(mktemp --directory --tmpdir="$STATE_DIR" "$RUN.XXXXXX")
	# What a killed run left behind is nobody's: we hold the lock.
	find "$STATE_DIR" -mindepth 1 -maxdepth 1 -type d -name "$RUN.*" ! -path "$SCRATCH" -exec rm -rf {} +
}

succeeded() { SUCCESS=1; }

ended() {
	local code=$?
	trap - EXIT
	trap '' HUP INT TERM
	if [ "$code" -eq 0 ] && [ "$SUCCESS" -eq 0 ]; then code=1; fi
	if [ "$code" -ne 0 ]; then SUCCESS=0; fi
	finish || code=1
	rm -rf "${SCRATCH:-}" || true
	exit "$code"
}

# publish FILE TEXT replaces a file of the textfile directory, whole or not at
# all. The node exporter runs as another user, so the file is readable.
publish() {
	local file=$TEXTFILE_DIR/$1
	if printf '%s\n' "$2" 2>/dev/null >"$file.tmp" && chmod 644 "$file.tmp" && sync "$file.tmp" && mv -f "$file.tmp" "$file"; then return 0; fi
	rm -f "$file.tmp"
	say "$file could not be written: it is as it was"
	return 1
}

# metric prints the head of a metric: name, type, help.
metric() { printf '# HELP %s %s\n# TYPE %s gauge\n' "$1" "$2" "$1"; }

# started prints that a run is under way. Its result is 0 until it has ended, and
# the alerts leave it the time that this metric says it began.
started() {
	metric dr_run_started_timestamp_seconds "When a run that has not ended began."
	echo "dr_run_started_timestamp_seconds{run=\"$RUN\"} $(date +%s)"
}

# previous prints the samples of a metric from the file that publish replaces:
# what a failed run does not know again, it must not forget.
previous() {
	if [ -r "$TEXTFILE_DIR/$1" ]; then
		sed -n "/^$2[{ ]/p" "$TEXTFILE_DIR/$1"
	fi
}

# keep DIRECTORY FILE SUFFIX moves a finished dump into the directory of its kind,
# encrypted where recipients are set, under a name that sorts after those before it
# whatever the clock does, and removes all but the newest.
keep() {
	local dir=$1 from=$2 suffix=$3 name last number=1 file all
	mkdir -p "$dir" || return 1
	rm -f "$dir"/*.tmp
	last=$(find "$dir" -maxdepth 1 -name '[0-9]*-*' -printf '%f\n' | sort | tail -n 1) || return 1
	[[ ! $last =~ ^([0-9]{8})- ]] || number=$((10#${BASH_REMATCH[1]} + 1))
	printf -v name '%08d-%s%s' "$number" "$(date -u +%Y%m%dT%H%M%SZ)" "$suffix"
	if [ -n "$AGE_RECIPIENTS" ]; then
		name=$name.age
		age --encrypt --recipients-file="$AGE_RECIPIENTS" --output="$dir/$name.tmp" "$from" || { rm -f "$dir/$name.tmp"; return 1; }
	else
		cp "$from" "$dir/$name.tmp" || { rm -f "$dir/$name.tmp"; return 1; }
	fi
	sync "$dir/$name.tmp" && mv "$dir/$name.tmp" "$dir/$name" && : >"$dir/latest" || return 1
	rm -f "$from"
	mapfile -t all < <(find "$dir" -maxdepth 1 -name '[0-9]*-*' ! -name '*.tmp' | sort --reverse)
	for file in "${all[@]:$DUMP_KEEP}"; do rm -- "$file" || return 1; done
}

# working DIRECTORY finds a server by its working directory, which is that of its
# data: asking the server needs its user, and its files may be gone.
working() {
	local process
	for process in /proc/[0-9]*; do
		[ "$(readlink "$process/cwd" 2>/dev/null)" = "$1" ] && return 0
	done
	return 1
}

backrest() { pgbackrest --stanza="$STANZA" "$@"; }

# listed prints what the repositories have, as JSON. What pgBackRest puts into it of
# an error, such as that of a repository it cannot read, may hold raw newlines.
listed() { backrest --output=json info | tr -d '\000-\037'; }

# sql runs a statement on the production server, as PGHOST, PGPORT and PGUSER say.
sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --dbname="$CANARY_DATABASE" --command="$1"; }
