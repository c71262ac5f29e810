#!/usr/bin/env bash
# The host's part of deploy, 4: the steps. Each holds the lock while it runs, so
# that it dies with the step and with nothing else, and each but begin is refused
# when another deployment has begun since: a client that comes back late changes
# nothing. deploy.state is written before and after each step, so that whatever
# ends one of them, the next run finishes or undoes it.

# main runs one step and gives its status as the last line of the answer. A
# client that does not get this line has lost the connection.
main() {
	local step=$1 rc=0
	shift
	WHY=""
	export LC_ALL=C
	# The step goes on when the client dies: half a deployment helps nobody.
	trap '' HUP PIPE
	[ "$step" != init ] || mkdir -p -- "$DEPLOY_DIR"
	if cd -- "$DEPLOY_DIR"; then
		case "$step" in
		begin | pull | switch | back | release) exclusively "step_$step" "$@" || rc=$? ;;
		*) "step_$step" "$@" || rc=$? ;;
		esac
	else
		say "$DEPLOY_DIR cannot be used: run deploy init"
		rc=1
	fi
	answer end "$rc"
}

exclusively() {
	if ! { exec 9>>deploy.running; } 2>/dev/null; then
		say "$(id -un) may not write into $DEPLOY_DIR: nothing was changed"
		return 1
	fi
	if ! flock --nonblock 9; then
		state_read || true
		say "refused: another deployment is at work${ST_OWNER:+: $ST_COMMAND by $ST_OWNER since $ST_SINCE}"
		return 1
	fi
	conf_read || return 1
	"$@"
}

# mine checks that the deployment in progress is this client's.
mine() {
	state_read && [ "$ST_ID" = "$DEPLOY_ID" ] && return 0
	say "refused: another deployment has begun since: run deploy status"
	return 1
}

# step_begin COMMAND VERSION TO SEEN claims the host. Another client's claim is
# taken over when nothing moved since it was SEEN: no step of it is running.
step_begin() {
	local command=$1 new=$2 to=$3 seen=$4 old
	if [ -e deploy.lock ]; then
		say "refused: locked$(sed 's/^/ /' deploy.lock | tr '\n' ' ')"
		return 1
	fi
	RECOVERED=""
	if [ -n "$DRY_RUN" ]; then
		! state_read || say "not ended: $ST_COMMAND of $ST_NEW by $ST_OWNER, step $ST_STEP"
	elif state_read; then
		if [ "$seen" != "$ST_ID $ST_STEP" ]; then
			answer seen "$ST_ID $ST_STEP"
			answer owner "$ST_COMMAND by $ST_OWNER since $ST_SINCE"
			return 75
		fi
		recover
	elif [ -n "$seen" ]; then
		say "refused: another deployment was at work: run deploy status"
		return 1
	fi
	in_force
	old=$CURRENT
	answer before "$old"
	if [ "$command" = rollback ] && [ -z "$new" ]; then
		if [ -z "$to" ] && [ -n "$RECOVERED" ] && [ -n "$old" ]; then
			say "that was all that the rollback had to do: $old is in force"
			return 0
		fi
		if target "$old" "$to"; then new=$TARGET; else
			say "no recorded image $([ -z "$to" ] && echo "to roll back to" || echo "was replaced under $to, or is it")"
			return 1
		fi
	fi
	merge "$old" "$new"
	new=$MERGED
	answer version "$new"
	[ -z "$DRY_RUN" ] || return 0
	ST_ID=$DEPLOY_ID ST_OWNER=$DEPLOY_OWNER ST_SINCE=$(now) ST_COMMAND=$command ST_OLD=$old ST_NEW=$new ST_TAG=""
	state_write begun && return 0
	say "nothing was changed: ${old:-nothing} is in force"
	return 1
}

# merge sets MERGED to the new version, with those named images of the one before
# that stay.
merge() {
	local part
	MERGED=$2
	[[ $1 == *=* && $2 == *=* ]] || return 0
	for part in ${1//,/ }; do [[ ,$2 == *",${part%%=*}="* ]] || MERGED+=,$part; done
	MERGED=$(tr ',' '\n' <<<"$MERGED" | sort | paste -s -d, -)
}

# recover finishes or undoes what an interrupted deployment left. It sets
# RECOVERED when that leads to where a rollback would have gone.
recover() {
	local what="the $ST_COMMAND of $ST_NEW by $ST_OWNER"
	case "$ST_STEP" in
	ended)
		in_force
		[ "$ST_COMMAND" != rollback ] || [ "$CURRENT" != "$ST_NEW" ] || RECOVERED=1
		;;
	begun | pulled)
		say "$what ended before it changed anything: ${ST_OLD:-nothing} is in force"
		[ "$ST_COMMAND" = rollback ] || RECOVERED=1
		;;
	*)
		in_force
		if [ "$ST_NEW" != "$ST_OLD" ] && [ "$CURRENT" = "$ST_NEW" ] || { [ "$ST_STEP" = healthy ] && healthy "$ST_NEW"; }; then
			say "$what was interrupted when it was healthy: it is finished"
			commit || say "going on all the same"
			[ "$ST_COMMAND" != rollback ] || RECOVERED=1
		elif say "$what was interrupted: returning to ${ST_OLD:-nothing}" && undo; then
			[ "$ST_COMMAND" = rollback ] || RECOVERED=1
		else
			say "$ST_OLD is not healthy: $(why): going on all the same"
		fi
		;;
	esac
	rm -f deploy.state
}

step_pull() {
	mine || return 1
	pull "$ST_NEW" && state_write pulled && return 0
	say "nothing was changed: ${ST_OLD:-nothing} is in force"
	return 1
}

# step_switch FIRST puts the pulled version in force, or leaves the one before.
# FIRST is empty on the second and further hosts of one deployment.
step_switch() {
	mine || return 1
	if ! prepare "$1"; then
		say "nothing was changed: ${ST_OLD:-nothing} is in force${WHY:+: $WHY}"
		return 1
	fi
	if mv -f .env.image.new .env.image && activate && healthy "$ST_NEW" && commit; then
		beside_stop || say "the container of before could not be stopped"
		hook after || say "hooks/after failed: see $DEPLOY_DIR/deploy.log"
		clean "$ST_NEW" || say "old images could not be removed"
		return 0
	fi
	say "$ST_NEW is not healthy: $(why)"
	if undo; then
		say "$ST_NEW was not healthy; ${ST_OLD:-nothing} is back in force"
	else
		say "$ST_OLD is not healthy either: $(why): look at the host"
	fi
	hook failed || say "hooks/failed failed: see $DEPLOY_DIR/deploy.log"
	return 1
}

# prepare writes everything that the way forward and the way back need, while
# nothing is changed: later there are renames only, for which a full disk has room.
prepare() {
	local old
	next_tag || return 1
	: >deploy.log
	rm -f .env.image.old
	if [ -n "$ST_OLD" ]; then
		keep "$ST_OLD"
		old=$(environment "$ST_OLD")
		if beside && [ -e .env.image ]; then old=$(<.env.image); fi
		put .env.image.old "$old" || return 1
	fi
	put .env.image.new "$(environment "$ST_NEW")" || return 1
	put image.current.new "$ST_NEW" || return 1
	if [ -n "$1" ] && ! hook before; then
		record failed "$ST_NEW" "$ST_OLD" || true
		because "hooks/before failed: $(tail -n 1 deploy.log)"
		return
	fi
	state_write starting
}

# commit makes the healthy version the one in force: the rename decides, and what
# is missing of the rest does no harm.
commit() {
	state_write healthy || true
	mv -f image.current.new image.current 2>/dev/null || put image.current "$ST_NEW" || return 1
	if ! grep -qF -- "$(printf '\t%s\t%s' "$ST_TAG" "$ST_NEW")" deployments.tsv 2>/dev/null; then
		if [ "$ST_COMMAND" = rollback ]; then record rolled-back "$ST_NEW" "$ST_OLD"; else record deployed "$ST_NEW" "$ST_OLD"; fi
	fi
	state_write ended || rm -f deploy.state
	say "$ST_NEW is healthy"
}

# undo returns to the version before. It never needs the registry.
undo() {
	local old
	state_write returning || true
	rm -f image.current.new
	if [ -n "$ST_OLD" ]; then
		old=$(environment "$ST_OLD")
		[ ! -e .env.image.old ] || old=$(<.env.image.old)
		put .env.image "$(mended "$old")" || mv -f .env.image.old .env.image || return 1
		say "returning to $ST_OLD"
		WHY=""
		activate && healthy "$ST_OLD" || return 1
	else
		rm -f .env.image
	fi
	record failed "$ST_NEW" "$ST_OLD" && { [ -z "$ST_OLD" ] || record returned "$ST_OLD" "$ST_OLD"; }
	state_write ended || rm -f deploy.state
}

# step_back undoes a deployment that was in force already, because it failed on
# another host.
step_back() {
	local old
	mine || return 1
	[ -n "$ST_OLD" ] || { say "there is nothing to return to"; return 1; }
	old=$ST_NEW
	ST_NEW=$ST_OLD ST_OLD=$old ST_COMMAND=rollback
	state_write pulled && step_switch ""
}

# step_release ends the client's claim, but for what the next run must mend.
step_release() {
	state_read && [ "$ST_ID" = "$DEPLOY_ID" ] || return 0
	case "$ST_STEP" in
	begun | pulled | ended) rm -f deploy.state .env.image.old .env.image.new image.current.new ;;
	esac
}
