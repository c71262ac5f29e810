#!/usr/bin/env bash
# dr-restore table: brings the rows of one table back from a time, or from a dump,
# without touching those that are there. The state of the time is restored into a
# cluster beside production, or the dump into a database of its own. Its rows are
# copied into the schema dr_restored of production, where they are compared; with
# --merge those that are missing are inserted.
# shellcheck source=deploy/dr/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
# shellcheck source=deploy/dr/wal.sh
. "$(dirname "$(readlink -f "$0")")/wal.sh"
# shellcheck source=deploy/dr/side.sh
. "$(dirname "$(readlink -f "$0")")/side.sh"

PROGRAM="dr-restore table"
usage() { sed -n '7,8s/^# \{0,1\}//p' "$(dirname "$(readlink -f "$0")")/dr-restore" >&2; exit 2; }

[ $# -gt 0 ] || usage
NAME=$1 TARGET="" DUMP="" DATABASE="" REPO="" MERGE=""
shift
while [ $# -gt 0 ]; do
	case "$1" in
	--to-time) TARGET=${2:-}; shift 2 || usage ;;
	--from-dump) DUMP=${2:-}; shift 2 || usage ;;
	--database) DATABASE=${2:-}; shift 2 || usage ;;
	--repo) REPO=${2:-}; shift 2 || usage ;;
	--merge) MERGE=1; shift ;;
	*) usage ;;
	esac
done
load
[[ $NAME =~ ^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$ ]] || die "the table is NAME or SCHEMA.NAME in lower case, not $NAME"
if [ -n "$TARGET" ] && [ -n "$DUMP" ] || [ -z "$TARGET$DUMP" ]; then usage; fi
[ "$(id -u)" -ne 0 ] || die "run this as the owner of the cluster, not as root: sudo -u postgres dr-restore table …"
DATABASE=${DATABASE:-$CANARY_DATABASE} REPO=${REPO:-${REPO_LIST[0]}}
# What sql and side ask is the database of the table.
CANARY_DATABASE=$DATABASE
SOURCE="" STAGED=dr_restored.${NAME#*.} SIDE=/nonexistent

finish() {
	side_stop immediate || true
	[ -z "$SOURCE" ] || psql --no-psqlrc --quiet --dbname=postgres --command="DROP DATABASE IF EXISTS $SOURCE" >&2 || true
}

# read_side prints rows of the restored state as COPY does; a dump's are in a
# database of production's own server.
read_side() {
	if [ -n "$SOURCE" ]; then
		psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname="$SOURCE" --command="$1"
	else
		side "$1"
	fi
}

# from_time restores the state of a time beside production.
from_time() {
	local end timeline
	end=$(date --date="$TARGET" +%s) || die "--to-time wants a time, such as 2026-11-26 03:14:00+00"
	archive_read "$REPO" || die "repository $REPO cannot be read"
	timeline=$(timeline_at "$end")
	SIDE=$SCRATCH/side
	say "restoring $DATABASE at $TARGET on timeline $timeline from repository $REPO into $SIDE"
	# Other databases come as empty files: one table does not need their disk.
	side_restore "$REPO" "$timeline" "$TARGET" --db-include="$DATABASE"
	side_start
	side_promoted
}

# from_dump restores the schema, and the one table's rows, into a database of its own.
from_dump() {
	local file=$DUMP
	if [ "${file%.age}" != "$file" ]; then
		[ -n "$AGE_IDENTITY" ] || die "$DUMP is encrypted: set AGE_IDENTITY in the configuration, or decrypt it first"
		age --decrypt --identity="$AGE_IDENTITY" --output="$SCRATCH/dump" "$file"
		file=$SCRATCH/dump
	fi
	SOURCE=dr_side_$$
	sql "CREATE DATABASE $SOURCE TEMPLATE template0"
	"$PG_BIN/pg_restore" --exit-on-error --no-owner --no-privileges --section=pre-data --dbname="$SOURCE" "$file"
	local schema table tables only=()
	# A partitioned table has its rows in others.
	tables=$(read_side "COPY (SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
		WHERE pg_class.oid = '$NAME'::regclass OR pg_class.oid IN (SELECT relid FROM pg_partition_tree('$NAME'))) TO STDOUT")
	while IFS=$'\t' read -r schema table; do only+=(--schema="$schema" --table="$table"); done <<<"$tables"
	"$PG_BIN/pg_restore" --exit-on-error --no-owner --data-only "${only[@]}" --dbname="$SOURCE" "$file"
}

begin dr-table
# shellcheck disable=SC2034 # side uses it.
OWNER=$(sql "SELECT current_user")
[ "$(sql "SELECT to_regclass('$NAME') IS NOT NULL")" = t ] || die "$DATABASE has no table $NAME: restore its definition first, with pg_restore --section=pre-data"
if [ -n "$DUMP" ]; then from_dump; else from_time; fi
# Columns that both have; generated ones make themselves.
columns() { echo "SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$NAME'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"; }
COLUMNS=$(sql "$(columns)")
THERE=$(read_side "COPY ($(columns)) TO STDOUT")
[ "$COLUMNS" = "$THERE" ] || die "$NAME had other columns then ($THERE) than it has now ($COLUMNS): copy what you need by hand"
sql "SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS dr_restored; DROP TABLE IF EXISTS $STAGED; CREATE TABLE $STAGED (LIKE $NAME)"
GENERATED=$(sql "SELECT string_agg(format('DROP COLUMN %I', attname), ', ') FROM pg_attribute WHERE attrelid = '$STAGED'::regclass AND attnum > 0 AND attname NOT IN
	(SELECT attname FROM pg_attribute WHERE attrelid = '$NAME'::regclass AND attgenerated = '')")
[ -z "$GENERATED" ] || sql "ALTER TABLE $STAGED $GENERATED"
read_side "COPY (SELECT $COLUMNS FROM $NAME) TO STDOUT" |
	psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname="$DATABASE" --command="COPY $STAGED ($COLUMNS) FROM STDIN"
# A row is there when one with its key is there; without a key, when an equal one is.
KEY=$(sql "SELECT string_agg(format('s.%1\$I = t.%1\$I', a.attname), ' AND ') FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
	WHERE i.indrelid = '$NAME'::regclass AND i.indisprimary")
if [ -n "$KEY" ]; then
	MISSING="SELECT $COLUMNS FROM $STAGED s WHERE NOT EXISTS (SELECT FROM $NAME t WHERE $KEY)"
else
	# As text, because types such as json cannot be compared.
	MISSING="SELECT $COLUMNS FROM (SELECT *, ROW($COLUMNS)::text AS dr_row, row_number() OVER (PARTITION BY ROW($COLUMNS)::text) AS dr_number FROM $STAGED) s
		LEFT JOIN (SELECT ROW($COLUMNS)::text AS dr_row, count(*) AS dr_there FROM $NAME GROUP BY 1) t USING (dr_row) WHERE dr_number > COALESCE(dr_there, 0)"
fi
HAD=$(sql "SELECT count(*) FROM $STAGED") HAS=$(sql "SELECT count(*) FROM $NAME") LACKS=$(sql "SELECT count(*) FROM ($MISSING) m")
say "$NAME had $HAD rows then and has $HAS now; $LACKS of those from then are missing"
if [ -z "$MERGE" ]; then
	say "they are in $STAGED of $DATABASE: look at them, then run this again with --merge, or DROP SCHEMA dr_restored CASCADE"
else
	INSERTED=$(sql "WITH i AS (INSERT INTO $NAME ($COLUMNS) OVERRIDING SYSTEM VALUE $MISSING ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM i")
	# TRUNCATE may have restarted what numbers the rows.
	SEQUENCES=$(sql "SELECT format('SELECT setval(%L, max(%I)) FROM %s HAVING max(%2\$I) >= (SELECT last_value FROM %1\$s);', sequence, attname, '$NAME')
		FROM (SELECT attname, pg_get_serial_sequence('$NAME', attname) AS sequence FROM pg_attribute
			WHERE attrelid = '$NAME'::regclass AND attnum > 0 AND NOT attisdropped) a WHERE sequence IS NOT NULL")
	[ -z "$SEQUENCES" ] || sql "$SEQUENCES" >/dev/null
	sql "DROP TABLE $STAGED"
	say "$INSERTED rows are back; no row that was there was touched"
fi
succeeded
