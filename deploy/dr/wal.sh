# Shared by the scripts of this folder: the archive of WAL and its timelines. A
# recovery follows one timeline and those it came from; which one was production's
# at a time is seen from when its segments came into the archive.
# shellcheck shell=bash

# archive_read REPO reads what a repository has: BACKUPS (stop, start of WAL, stop
# of WAL, label, type; oldest first), SEGMENTS (time, segment; oldest first) and
# HISTORY, the lines of each timeline's history.
archive_read() {
	local repo=$1 info listing name
	info=$(listed) || return 1
	# The repository's newest archive is the one of the cluster as it is now.
	ARCHIVE=$(jq -r --argjson repo "$repo" '[.[].archive[] | select(.database."repo-key" == $repo)] | max_by(.database.id) | .id // empty' <<<"$info")
	[ -n "$ARCHIVE" ] || { say "repository $repo has no archive"; return 1; }
	mapfile -t BACKUPS < <(jq -r --argjson repo "$repo" --arg id "${ARCHIVE#*-}" '[.[].backup[]
		| select(.error == false and .database."repo-key" == $repo and .database.id == ($id | tonumber))] | sort_by(.timestamp.stop)[]
		| "\(.timestamp.stop) \(.archive.start) \(.archive.stop) \(.label) \(.type)"' <<<"$info")
	listing=$(backrest --repo="$repo" --recurse --output=json repo-ls "archive/$STANZA/$ARCHIVE") || return 1
	mapfile -t SEGMENTS < <(jq -r 'to_entries[] | select(.key | test("/[0-9A-F]{24}-[0-9a-f]{40}([.][a-z0-9]+)?$"))
		| "\(.value.time) \(.key | split("/")[-1] | .[0:24])"' <<<"$listing" | sort -n)
	declare -gA HISTORY=()
	while IFS= read -r name; do
		HISTORY[$((16#${name%.history}))]=$(backrest --repo="$repo" repo-get "archive/$STANZA/$ARCHIVE/$name") || return 1
	done < <(jq -r 'keys[] | select(test("^[0-9A-F]{8}[.]history$"))' <<<"$listing")
}

# parse SEGMENT sets TIMELINE and NUMBER, which counts segments from the first.
parse() {
	TIMELINE=$((16#${1:0:8}))
	NUMBER=$((16#${1:8:8} * (0x100000000 / WAL_SEGMENT_BYTES) + 16#${1:16:8}))
}

# ancestors TIMELINE prints the timelines that a recovery along it reads, oldest
# first, with the number of the segment at which each one was left; the last has none.
ancestors() {
	local parent lsn
	while read -r parent lsn _; do
		[[ $parent =~ ^[0-9]+$ && $lsn =~ ^([0-9A-F]+)/([0-9A-F]+)$ ]] || continue
		echo "$parent $(((16#${BASH_REMATCH[1]} * 0x100000000 + 16#${BASH_REMATCH[2]}) / WAL_SEGMENT_BYTES))"
	done <<<"${HISTORY[$1]:-}"
	echo "$1"
}

# read_path TIMELINE sets LEFT to where each timeline of a recovery was left, and
# to "never" for the last one.
read_path() {
	local of end
	declare -gA LEFT=()
	while read -r of end; do LEFT[$of]=${end:-never}; done < <(ancestors "$1")
}

# on_path tells whether the recovery of LEFT can start from a backup that needs WAL
# from SEGMENT to SEGMENT.
on_path() {
	local end
	parse "$2"
	end=${LEFT[$TIMELINE]:-}
	[ "$end" = never ] || { [ -n "$end" ] && [ "$NUMBER" -le "$end" ]; }
}

# timeline_at TIME prints the timeline that was production's at a time in seconds:
# that of the first segment which came into the archive later, or of the last one.
timeline_at() {
	local line
	[ ${#SEGMENTS[@]} -gt 0 ] || { say "the archive is empty"; return 1; }
	for line in "${SEGMENTS[@]}"; do [ "${line%% *}" -lt "$1" ] || break; done
	parse "${line#* }"
	echo "$TIMELINE"
}

# backup_for TIMELINE TIME prints the newest backup from which a recovery along the
# timeline reaches the time: made before it, and before its timeline was left.
backup_for() {
	local stop first last label found="" line
	read_path "$1"
	for line in "${BACKUPS[@]}"; do
		read -r stop first last label _ <<<"$line"
		if [ "$stop" -le "$2" ] && on_path "$first" "$last"; then found=$label; fi
	done
	[ -n "$found" ] && echo "$found"
}

# missing TIMELINE LAST prints the segments that are not in the archive although a
# recovery needs them: from the oldest backup along its timelines to LAST, and for
# a backup on a timeline that was left, those that make it consistent.
missing() {
	local line first last of end to from="" upto
	declare -A have=() oldest=()
	for line in "${SEGMENTS[@]}"; do have[${line#* }]=1; done
	read_path "$1"
	for line in "${BACKUPS[@]}"; do
		read -r _ first last _ <<<"$line"
		if on_path "$first" "$last"; then
			parse "$first"
			if [ -z "${oldest[$TIMELINE]:-}" ] || [ "$NUMBER" -lt "${oldest[$TIMELINE]}" ]; then oldest[$TIMELINE]=$NUMBER; fi
		else
			parse "$last"
			to=$NUMBER
			parse "$first"
			absent "$TIMELINE" "$NUMBER" "$((to + 1))"
		fi
	done
	parse "$2"
	upto=$((NUMBER + 1))
	while read -r of end; do
		from=${from:-${oldest[$of]:-}}
		[ -n "$from" ] || continue
		absent "$of" "$from" "${end:-$upto}"
		from=$end
	done < <(ancestors "$1")
}

# absent TIMELINE FROM BEFORE prints the segments which the archive has not got.
absent() {
	local n name
	for ((n = $2; n < $3; n++)); do
		printf -v name '%08X%08X%08X' "$1" "$((n / (0x100000000 / WAL_SEGMENT_BYTES)))" "$((n % (0x100000000 / WAL_SEGMENT_BYTES)))"
		[ -n "${have[$name]:-}" ] || echo "$name"
	done
}
