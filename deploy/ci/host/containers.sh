#!/usr/bin/env bash
# The host's part of deploy, 2: images and containers. Commands read nothing of
# our standard input, write into deploy.log, cannot hold the lock (9), and end.

quiet() { timeout "$DEPLOY_STEP_LIMIT" "$@" >>deploy.log 2>&1 </dev/null 9>&-; }

# images sets IMAGES to what compose is told for a version, NAME_IMAGE=reference,
# and REFERENCES to the references alone.
images() {
	local part name
	IMAGES=() REFERENCES=()
	for part in ${1//,/ }; do
		name=app
		[[ $part != *=* ]] || name=${part%%=*}
		IMAGES+=("${name^^}_IMAGE=${part#*=}")
		REFERENCES+=("${part#*=}")
	done
}

compose() { quiet docker compose --env-file .env --env-file .env.image "$@"; }

# pull fetches what the host has not got. A registry that is away does not
# matter for images that are here: their digests are their contents.
pull() {
	local reference
	images "$1"
	for reference in "${REFERENCES[@]}"; do
		[ "$ST_COMMAND" != rollback ] || ! here "$reference" || continue
		quiet docker pull --quiet "$reference" && continue
		[ -n "$(docker image inspect --format '{{.Id}}' "$reference" 2>/dev/null </dev/null)" ] && continue
		say "$reference cannot be pulled: $(tail -n 1 deploy.log)"
		return 1
	done
}

here() { quiet docker image inspect "$1"; }

# keep names the images in force before anything is changed, so that they stay
# here until there is something better to return to.
keep() {
	local reference
	images "$1"
	for reference in "${REFERENCES[@]}"; do
		quiet docker tag "$reference" "${reference%@*}:$ST_TAG" ||
			say "$reference could not be kept as $ST_TAG: a return may need the registry"
	done
}

# environment prints the whole of .env.image for a version.
environment() {
	images "$1"
	printf '%s\n' "${IMAGES[@]}"
	! beside || beside_environment
}

# mended prints such a text with the name that keep gave instead of a reference
# that is no longer here.
mended() {
	local line reference
	while IFS= read -r line; do
		reference=${line#*=}
		if [[ $reference == *@* ]] && ! here "$reference" && here "${reference%@*}:$ST_TAG"; then line="${line%%=*}=${reference%@*}:$ST_TAG"; fi
		printf '%s\n' "$line"
	done <<<"$1"
}

# activate starts the version whose .env.image is in place.
activate() {
	if beside; then beside_up; else compose up --detach --no-build --pull never; fi
}

# containers prints the project's running containers: their id, the id of the
# image, restarts, name, status and health.
containers() {
	local ids
	ids=$(docker compose --env-file .env --env-file .env.image ps --quiet 2>>deploy.log </dev/null 9>&-) || return 1
	[ -n "$ids" ] || return 0
	# shellcheck disable=SC2086 # One identity a word.
	docker inspect --format '{{.Id}} {{.Image}} {{.RestartCount}} {{.Name}} {{.State.Status}}/{{if .State.Health}}{{.State.Health.Status}}{{end}}' \
		$ids 2>>deploy.log </dev/null 9>&-
}

# runs compares what runs with what was asked for: each image of the version has
# a container, and none of them restarts or is ill. Where containers are not
# compose's own, whatever starts them writes the version into the file running.
runs() {
	local list wanted id
	list=$(containers) || return 1
	if [ -z "$list" ]; then
		[ -e running ] && [ "$(<running)" = "$1" ] && return 0
		because "no container of the project runs $1"
		return
	fi
	images "$1"
	for wanted in "${IMAGES[@]}"; do
		value "${wanted%%=*}"
		if [ "$VALUE" != "${wanted#*=}" ] && [[ $VALUE != *:backup-* ]]; then
			because "compose is told ${VALUE:-nothing}, not $wanted"
			return
		fi
		id=$(docker image inspect --format '{{.Id}}' "$VALUE" 2>>deploy.log </dev/null 9>&-) || return 1
		if [ -z "$id" ] || [[ $list != *" $id "* ]]; then
			because "no container of the project runs ${wanted#*=}: does its compose file use \${${wanted%%=*}}?"
			return
		fi
	done
	if [[ $list =~ \ /?([^ ]+\ (restarting|dead|exited|paused)/|[^ ]+\ running/unhealthy) ]]; then because "a container is not well: ${BASH_REMATCH[1]}"; fi
}

# answers asks the application until it answers so many times in a row.
answers() {
	local row=0 i
	for ((i = 0; i < HEALTH_TRIES + HEALTH_ANSWERS; i++)); do
		if curl --fail --silent --max-time 5 --output /dev/null "$1" 2>>deploy.log </dev/null 9>&-; then
			row=$((row + 1))
			[ "$row" -lt "$HEALTH_ANSWERS" ] || return 0
		else
			row=0
		fi
		pause 1
	done
	because "$1 did not answer $HEALTH_ANSWERS times in a row within $((HEALTH_TRIES + HEALTH_ANSWERS)) tries"
}

pause() {
	local i
	[ "$HEALTH_PAUSE" != 0 ] || return 0
	for ((i = 0; i < $1; i++)); do sleep "$HEALTH_PAUSE"; done
}

# healthy looks twice: many applications answer once and die.
healthy() {
	local first
	answers "$HEALTH_URL" || return 1
	runs "$1" || return 1
	first=$(containers | cut -d' ' -f1-3)
	pause "$HEALTH_LOOK_AGAIN"
	answers "$HEALTH_URL" || return 1
	runs "$1" || return 1
	[ "$first" = "$(containers | cut -d' ' -f1-3)" ] || because "a container restarted while it was watched"
}

# hook runs one of the project's own programs: before, after, failed, reload.
hook() {
	[ -x "hooks/$1" ] || return 0
	(
		images "$ST_NEW"
		export "${IMAGES[@]}"
		export DEPLOY_OLD=$ST_OLD DEPLOY_NEW=$ST_NEW DEPLOY_COMMAND=$ST_COMMAND
		quiet "hooks/$1"
	)
}

# clean removes images of this project, but never those of the last five
# versions in force, nor what could be returned to.
clean() {
	local kept=" " tags image i repository
	history_read
	images "$ST_OLD"
	kept+="${REFERENCES[*]} "
	for ((i = ${#STACK[@]} - 1; i >= 0 && i >= ${#STACK[@]} - 5; i--)); do
		images "${STACK[i]}"
		kept+="${REFERENCES[*]} "
	done
	tags=" $(grep -o 'backup-[0-9-]*' deployments.tsv | sort -u | tail -n 5 | tr '\n' ' ')"
	images "$1"
	for repository in "${REFERENCES[@]%@*}"; do
		while IFS= read -r image; do
			[[ $image == *'<none>'* || $kept == *" $image "* ]] || quiet docker image rm "$image"
		done < <(docker image ls --digests --format '{{.Repository}}@{{.Digest}}' "$repository" 2>>deploy.log </dev/null)
		while IFS= read -r image; do
			[[ $image != *:backup-* || $tags == *" ${image##*:} "* ]] || quiet docker image rm "$image"
		done < <(docker image ls --format '{{.Repository}}:{{.Tag}}' "$repository" 2>>deploy.log </dev/null)
	done
	return 0
}
