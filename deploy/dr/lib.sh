# Shared by the scripts of this folder. It sets the shell up, reads the
# configuration, takes the lock and writes metrics.
# shellcheck shell=bash
set -euo pipefail
# Without it a failure inside $( ) is lost.
shopt -s inherit_errexit
umask 077

# Log lines go to standard error: standard output belongs to results, and a
# function whose result is captured must not capture its log.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# load reads the configuration and refuses what is missing.
load() {
	local config=${DR_CONFIG:-/etc/dmarc-suite/dr.conf} name
	[ -r "$config" ] || die "$config is not readable: copy dr.conf.example there"
	# shellcheck disable=SC1090
	. "$config"
	for name in STANZA REPOS TEXTFILE_DIR STATE_DIR RTO_SECONDS RPO_SECONDS PG_BIN; do
		[ -n "${!name:-}" ] || die "$name is not set in $config"
	done
	: "${DUMP_DIR:=}" "${DUMP_DATABASES:=}" "${DUMP_KEEP:=7}" "${AGE_RECIPIENTS:=}" "${AGE_IDENTITY:=}"
	: "${CANARY_DATABASE:=postgres}" "${TABLES:=}"
	# shellcheck disable=SC2034
	read -r -a REPO_LIST <<<"$REPOS"
	for name in TEXTFILE_DIR STATE_DIR; do
		[ -d "${!name}" ] || die "$name ${!name} is not a directory"
	done
	[ -x "$PG_BIN/pg_dump" ] || die "PG_BIN $PG_BIN holds no pg_dump"
}

# lock lets one run at a time change the backups; it is held until the script ends.
lock() {
	exec 9>"$STATE_DIR/$1.lock"
	flock --nonblock 9 || die "another run holds $STATE_DIR/$1.lock"
}

# publish replaces a file of the textfile directory by its standard input. The
# node exporter runs as another user, so the file is readable.
publish() {
	local file=$TEXTFILE_DIR/$1
	cat >"$file.tmp"
	chmod 644 "$file.tmp"
	mv "$file.tmp" "$file"
}

# metric prints the head of a metric: name, type, help.
metric() { printf '# HELP %s %s\n# TYPE %s gauge\n' "$1" "$2" "$1"; }

# previous prints the samples of a metric from the file that publish replaces:
# what a failed run does not know again, it must not forget.
previous() {
	if [ -r "$TEXTFILE_DIR/$1" ]; then
		sed -n "/^$2[{ ]/p" "$TEXTFILE_DIR/$1"
	fi
}

backrest() { pgbackrest --stanza="$STANZA" "$@"; }

# sql runs a statement on the production server, as PGHOST, PGPORT and PGUSER say.
sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --dbname="$CANARY_DATABASE" --command="$1"; }
