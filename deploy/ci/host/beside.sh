#!/usr/bin/env bash
# The host's part of deploy, 3: start beside, switch, stop. A project that has a
# service twice behind nginx is replaced without a refused request. Its file
# deploy.conf names both and the file that nginx includes:
#
#   SLOT_A=web-a 127.0.0.1:8001        a service of the compose file, its address
#   SLOT_B=web-b 127.0.0.1:8002
#   SLOT_IMAGE=APP_IMAGE               their images are ${APP_IMAGE_A}, ${APP_IMAGE_B}
#   SLOT_HEALTH=/health                asked of the new one before it gets requests
#   UPSTREAM_FILE=/etc/nginx/conf.d/app_upstream.conf
#   UPSTREAM_NAME=app
#   DRAIN_SECONDS=10                   how long the old one may finish its requests
#   OTHERS=worker beat                 services that are replaced in place
#
# hooks/reload makes nginx read the file: nginx -t && nginx -s reload.

conf_read() {
	local key value
	SLOT_A="" SLOT_B="" SLOT_IMAGE=APP_IMAGE SLOT_HEALTH=/ UPSTREAM_FILE="" UPSTREAM_NAME=app DRAIN_SECONDS=10 OTHERS=""
	[ -e deploy.conf ] || return 0
	# read fails on a last line without a newline.
	while IFS='=' read -r key value || [ -n "$key" ]; do
		key=${key%$'\r'} value=${value%$'\r'}
		case "$key" in
		'' | '#'*) ;;
		SLOT_A | SLOT_B | SLOT_IMAGE | SLOT_HEALTH | UPSTREAM_FILE | UPSTREAM_NAME | DRAIN_SECONDS | OTHERS) printf -v "$key" '%s' "$value" ;;
		*) say "$DEPLOY_DIR/deploy.conf: $key is unknown"; return 1 ;;
		esac
	done <deploy.conf
	[ -n "$SLOT_A$SLOT_B$UPSTREAM_FILE" ] || return 0
	for key in SLOT_A SLOT_B UPSTREAM_FILE; do
		[ -n "${!key}" ] || { say "$DEPLOY_DIR/deploy.conf: $key is missing"; return 1; }
		[[ $key == UPSTREAM_FILE || ${!key} =~ ^[^\ ]+\ +[^\ ]+$ ]] || { say "$DEPLOY_DIR/deploy.conf: $key is a service and its address, as in web-a 127.0.0.1:8001"; return 1; }
	done
	[[ $DRAIN_SECONDS =~ ^[0-9]+$ ]] || { say "$DEPLOY_DIR/deploy.conf: DRAIN_SECONDS is a number, not $DRAIN_SECONDS"; return 1; }
	[ -x hooks/reload ] || { say "$DEPLOY_DIR/hooks/reload is missing: nothing would make nginx read $UPSTREAM_FILE"; return 1; }
}

beside() { [ -n "$UPSTREAM_FILE" ]; }

# value sets VALUE to a variable of .env.image.
value() {
	local key value
	VALUE=""
	[ -e .env.image ] || return 0
	while IFS='=' read -r key value; do [ "$key" != "$1" ] || VALUE=$value; done <.env.image
}

# beside_environment prints the slot of the new version and both slots' images.
beside_environment() {
	local line image="" slot=A other=B
	for line in "${IMAGES[@]}"; do [ "${line%%=*}" != "$SLOT_IMAGE" ] || image=${line#*=}; done
	value DEPLOY_SLOT
	if [ "$VALUE" = A ]; then slot=B other=A; fi
	value "${SLOT_IMAGE}_$other"
	printf '%s\n' "DEPLOY_SLOT=$slot" "${SLOT_IMAGE}_$slot=$image" "${SLOT_IMAGE}_$other=${VALUE:-$image}"
}

# beside_up makes the slot of .env.image the one that gets requests. It may be
# run again at any point, and with .env.image of before it is the way back.
beside_up() {
	local slot service address
	value DEPLOY_SLOT
	slot=SLOT_$VALUE
	[[ $slot =~ ^SLOT_[AB]$ ]] || because "$DEPLOY_DIR/.env.image has no DEPLOY_SLOT" || return
	read -r service address <<<"${!slot}"
	compose up --detach --no-build --pull never --no-deps "$service" || return 1
	answers "http://$address$SLOT_HEALTH" || return 1
	switch_upstream "$address" || return 1
	# shellcheck disable=SC2086 # One service a word.
	[ -z "$OTHERS" ] || compose up --detach --no-build --pull never $OTHERS
}

# switch_upstream points nginx to an address, or leaves it where it was.
switch_upstream() {
	local before=""
	[ ! -e "$UPSTREAM_FILE" ] || before=$(<"$UPSTREAM_FILE")
	put "$UPSTREAM_FILE" "# Written by deploy: the container in force.
upstream $UPSTREAM_NAME {
    server $1;
    keepalive 16;
}" || because "$UPSTREAM_FILE could not be written" || return
	hook reload && return 0
	because "nginx did not accept $UPSTREAM_FILE: $(tail -n 1 deploy.log)"
	[ -z "$before" ] || put "$UPSTREAM_FILE" "$before"
	return 1
}

# beside_stop lets the other slot finish its requests and stops it.
beside_stop() {
	local slot=SLOT_A service
	beside || return 0
	value DEPLOY_SLOT
	[ "$VALUE" = B ] || slot=SLOT_B
	read -r service _ <<<"${!slot}"
	sleep "$DRAIN_SECONDS"
	compose stop "$service"
}
