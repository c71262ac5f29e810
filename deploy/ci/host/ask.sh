#!/usr/bin/env bash
# The host's part of deploy, 5: what is asked of it, its lock, its preparation.

step_history() {
	local line
	[ -e deployments.tsv ] || return 0
	while IFS= read -r line || [ -n "$line" ]; do answer text "$line"; done <deployments.tsv
}

step_status() {
	local line
	in_force
	answer text "in force: ${CURRENT:-nothing}"
	history_read
	[ "$SKIPPED" = 0 ] || answer text "history: $SKIPPED damaged lines are ignored"
	target "$CURRENT" "" || true
	answer text "rollback goes to: ${TARGET:-nothing is recorded}"
	if [ -e deploy.lock ]; then answer text "locked:$(sed 's/^/ /' deploy.lock | tr '\n' ' ')"; fi
	if state_read; then
		if flock --nonblock deploy.running true; then line="interrupted, and the next run finishes or undoes it"; else line="at work"; fi
		answer text "in progress: $ST_COMMAND of $ST_NEW by $ST_OWNER since $ST_SINCE, step $ST_STEP: $line"
	fi
	conf_read || return 1
	if [ -n "$CURRENT" ] && [ -e .env.image ]; then
		if runs "$CURRENT"; then answer text "running: what is in force"; else answer text "running: $(why)"; fi
	fi
}

# step_lock OWNER MESSAGE refuses deployments until step_unlock.
step_lock() {
	if (set -C && printf 'by %s since %s: %s\n' "$DEPLOY_OWNER" "$(now)" "$1" >deploy.lock) 2>/dev/null; then
		say "locked"
		return 0
	fi
	[ -s deploy.lock ] || { rm -f deploy.lock; say "the lock could not be written"; return 1; }
	say "refused: locked already $(cat deploy.lock)"
	return 1
}

step_unlock() {
	[ -e deploy.lock ] || { say "was not locked"; return 0; }
	say "was locked $(cat deploy.lock)"
	rm -f deploy.lock
}

# shellcheck disable=SC2317 # check calls it.
images_are_variables() { cat -- *compose*.y*ml | grep -qE '\$\{?[A-Z0-9_]+_IMAGE'; }

# step_init prepares the directory and says what the host has not got.
step_init() {
	local failed=0 file
	check() {
		if "${@:2}" >/dev/null </dev/null 2>.init; then say "ok       $1"; else say "MISSING  $1$(sed 's/^/: /;q' .init)"; failed=1; fi
	}
	umask 027
	[ -e .env ] || (umask 077 && : >.env)
	mkdir -p hooks
	check "bash 4.4 or later" test "${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}" -ge 44
	for file in flock curl timeout sync; do check "$file" command -v "$file"; done
	check "docker answers $(id -un)" docker version
	check "docker compose, version 2" docker compose version
	check "a compose file in $DEPLOY_DIR" compgen -G '*compose.y*ml'
	check "its images are variables: \${APP_IMAGE}, or \${NAME_IMAGE} with --image name=…" images_are_variables
	check ".env is not readable by others" test -z "$(find .env -perm /007)"
	check "2 GiB of disk for the next image" test "$(df -Pk . | awk 'NR == 2 { print $4 }')" -ge 2097152
	check "deploy.conf, where there is one" conf_read
	if beside && [ ! -e "$UPSTREAM_FILE" ]; then
		put "$UPSTREAM_FILE" "upstream $UPSTREAM_NAME { server ${SLOT_A#* }; }" || failed=1
	fi
	rm -f .init
	[ -z "$HEALTH_URL" ] || say "the application will be asked at $HEALTH_URL"
	[ "$failed" = 0 ] || say "the host is not ready"
	return "$failed"
}
