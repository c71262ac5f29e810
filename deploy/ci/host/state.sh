#!/usr/bin/env bash
# The host's part of deploy, 1: its memory. deploy sends these files to the host
# as one program; they are functions only, so a cut program does nothing.
#
# deploy.state    the deployment in progress, written before and after each step
# image.current   the version in force: it was started and was healthy
# deployments.tsv the history: time, outcome, tag, version, version before, owner
# deploy.lock     a lock that somebody set by hand

REFERENCE='[a-z0-9][a-z0-9./_:-]*@sha256:[0-9a-f]{64}'
NAMED="[a-z][a-z0-9_]*=$REFERENCE"
# A version is what is deployed as one: an image, or several with their names.
VERSION="($REFERENCE|$NAMED(,$NAMED)*)"
TAB=$'\t' FIELD=$'[^\t]*'
LINE="^[0-9TZ:-]+$TAB(deployed|rolled-back|returned|failed)$TAB([A-Za-z0-9._-]*)$TAB($VERSION)($TAB($VERSION|-)$TAB$FIELD)?\$"

say() { printf 'deploy: %s\n' "$*" >&2; }

# because keeps the reason of a failure, for the message that ends the step.
because() { WHY=$*; return 1; }
why() { printf '%s' "${WHY:-$(tail -n 1 deploy.log 2>/dev/null)}"; }

# answer gives the client one value.
answer() { printf '%s\t%s\n' "$1" "$2"; }

# put FILE TEXT replaces a file, whole or not at all.
put() {
	if printf '%s\n' "$2" 2>/dev/null >"$1.tmp" && sync -- "$1.tmp" && mv -f -- "$1.tmp" "$1"; then return 0; fi
	rm -f -- "$1.tmp"
	say "$1 in $DEPLOY_DIR could not be written: is the disk full?"
	return 1
}

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

# state_write records how far the deployment is.
state_write() {
	ST_STEP=$1
	put deploy.state "id=$ST_ID
owner=$ST_OWNER
since=$ST_SINCE
command=$ST_COMMAND
step=$ST_STEP
old=$ST_OLD
new=$ST_NEW
tag=$ST_TAG
end=."
}

# state_read fails when there is no deployment in progress. A file that this
# program did not write is set aside, for people to look at.
state_read() {
	ST_ID="" ST_OWNER="" ST_SINCE="" ST_COMMAND="" ST_STEP="" ST_OLD="" ST_NEW="" ST_TAG=""
	[ -e deploy.state ] || return 1
	local key value end=""
	while IFS='=' read -r key value; do
		case "$key" in
		id) ST_ID=$value ;;
		owner) ST_OWNER=$value ;;
		since) ST_SINCE=$value ;;
		command) ST_COMMAND=$value ;;
		step) ST_STEP=$value ;;
		old) ST_OLD=$value ;;
		new) ST_NEW=$value ;;
		tag) ST_TAG=$value ;;
		end) end=1 ;;
		esac
	done <deploy.state
	if [ -n "$end" ] && [[ $ST_ID =~ ^[0-9a-f]+$ && $ST_NEW =~ ^$VERSION$ && $ST_TAG =~ ^[a-zA-Z0-9._-]*$ ]] &&
		[[ -z $ST_OLD || $ST_OLD =~ ^$VERSION$ ]] &&
		[[ $ST_STEP =~ ^(begun|pulled|starting|returning|healthy|ended)$ ]]; then
		return 0
	fi
	say "$DEPLOY_DIR/deploy.state is damaged: it is kept as deploy.state.damaged"
	mv -f deploy.state deploy.state.damaged
	ST_STEP=""
	return 1
}

# in_force sets CURRENT to the version in force, or to nothing.
in_force() {
	CURRENT=""
	if [ -e image.current ]; then
		IFS= read -r CURRENT <image.current
		CURRENT=${CURRENT%$'\r'}
		[[ ! $CURRENT =~ ^$VERSION$ ]] || return 0
		say "image.current in $DEPLOY_DIR names no image: the history decides"
	fi
	history_read
	CURRENT=${STACK[*]: -1}
}

# history_read fills STACK, the healthy versions that led to the one in force,
# oldest first: a rollback takes away what it left, so that the next one goes
# further back. Lines that are not whole count for nothing. LAST_TAG is the
# newest tag; with a tag, REPLACED has what was in force when it was made.
history_read() {
	local line outcome tag version before i
	STACK=() REPLACED=() LAST_TAG="" SKIPPED=0
	declare -gA RECORDED=()
	[ -e deployments.tsv ] || return 0
	# The last line has no newline when it was cut, and read fails on it.
	while IFS= read -r line; do
		line=${line%$'\r'}
		if ! [[ $line =~ $LINE ]]; then
			SKIPPED=$((SKIPPED + 1))
			continue
		fi
		outcome=${BASH_REMATCH[1]} tag=${BASH_REMATCH[2]} version=${BASH_REMATCH[3]} before=${BASH_REMATCH[7]}
		if [[ $before == *@* ]]; then push "$before"; fi
		before=""
		[ ${#STACK[@]} -eq 0 ] || before=${STACK[-1]}
		[[ $tag > $LAST_TAG ]] && LAST_TAG=$tag
		if [ -n "${1:-}" ] && [ "$tag" = "$1" ] && [ -n "$before" ] && [ "$outcome" != returned ]; then REPLACED+=("$before"); fi
		[ "$outcome" = failed ] || RECORDED[$version]=1
		case "$outcome" in
		deployed) push "$version" ;;
		rolled-back)
			for ((i = ${#STACK[@]} - 1; i >= 0; i--)); do
				[ "${STACK[i]}" != "$version" ] || break
			done
			if [ "$i" -ge 0 ]; then STACK=("${STACK[@]:0:i+1}"); else STACK+=("$version"); fi
			;;
		esac
	done <deployments.tsv
	return 0
}

push() { [ "${STACK[*]: -1}" = "$1" ] || STACK+=("$1"); }

# target NOW TO sets TARGET to the version to roll back to: the healthy one
# before the one in force, the one that a tag replaced, or a recorded version.
target() {
	local now=$1 to=$2 top
	TARGET=""
	history_read "$to"
	if [[ $to =~ ^$VERSION$ ]]; then
		[ -z "${RECORDED[$to]:-}" ] || TARGET=$to
	elif [ ${#REPLACED[@]} -gt 1 ]; then
		say "the history has the tag $to ${#REPLACED[@]} times: name the image instead"
	elif [ -n "$to" ]; then
		TARGET=${REPLACED[*]}
	else
		# Where the history lost its last lines, the one in force may be further down.
		for ((top = ${#STACK[@]} - 1; top >= 0; top--)); do [ "${STACK[top]}" != "$now" ] || break; done
		if [ "$top" -ge 0 ]; then top=$((top - 1)); else top=$((${#STACK[@]} - 1)); fi
		[ "$top" -lt 0 ] || TARGET=${STACK[top]}
	fi
	[ -n "$TARGET" ]
}

# record OUTCOME VERSION BEFORE adds a line to the history. Writing the whole
# file anew means that it never ends in half a line, and that half a line of
# before stays alone.
record() {
	local text=""
	# Bash says so when it leaves zero bytes out.
	[ ! -s deployments.tsv ] || { text=$(<deployments.tsv) && text+=$'\n'; } 2>/dev/null
	put deployments.tsv "$text$(now)$TAB$1$TAB$ST_TAG$TAB$2$TAB${3:--}$TAB$ST_OWNER"
}

# next_tag sets ST_TAG to a name that sorts after all before it, whatever the
# host's clock does: when it stands still or goes back, the counter goes on.
next_tag() {
	local stamp serial=0 last="" before
	history_read
	[ ! -e deploy.tag ] || IFS= read -r last <deploy.tag
	[[ $last =~ ^backup-[0-9]{14}-[0-9]{6}$ && $last > $LAST_TAG ]] || last=$LAST_TAG
	stamp=$(date -u +%Y%m%d%H%M%S)
	[[ $stamp =~ ^[0-9]{14}$ ]] || stamp=00000000000000
	if [[ $last =~ ^backup-([0-9]{14})(-([0-9]{6}))?$ ]]; then
		before=${BASH_REMATCH[1]}
		if ! [[ x$stamp > x$before ]]; then stamp=$before serial=$((10#${BASH_REMATCH[3]:-0} + 1)); fi
	fi
	printf -v ST_TAG 'backup-%s-%06d' "$stamp" "$serial"
	put deploy.tag "$ST_TAG"
}
