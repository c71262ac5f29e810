// Package ci tests the deployment script against a host that is a directory.
package ci

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// stubs stand before the program on the host: its commands as functions, each of
// which can go wrong. What runs is a file, and so are the images that were pulled
// and the names that they were given. An application whose digest starts with
// "bad" is never healthy.
const stubs = `
# fault counts the calls; the one of the number in .fault fails, kills the step, or
# fills the disk.
fault() {
	local calls at kind
	read -r calls <.count
	echo "$((++calls))" >.count
	echo "$*" >>.calls
	read -r at kind <.fault
	[ "$calls" = "$at" ] || return 0
	case "$kind" in
	fail) echo "broken" >&2; return 1 ;;
	kill) kill -9 $$ $BASHPID ;;
	full) : >.full ;;
	esac
}
found() {
	local i t
	while read -r i; do [ "$i" != "$1" ] || { FOUND=$i; return; }; done <.images
	while read -r i t; do [ "$t" != "$1" ] || { FOUND=$i; return; }; done <.tags
	return 1
}
docker() {
	local i k s
	fault docker "$@" || return
	case "$1 $2" in
	"pull --quiet") [ ! -e .registry-down ] || { echo "registry is down" >&2; return 1; }; echo "$3" >>.images ;;
	"tag "*) found "$2" && echo "$FOUND $3" >>.tags ;;
	"image inspect") shift 2; [ "$1" != --format ] || shift 2; found "$1" && echo "id-${FOUND##*@}" ;;
	"image ls") if [ "$3" = --digests ]; then sort -u .images; else while read -r _ i; do echo "$i"; done <.tags; fi ;;
	"image rm") sed -i "\\|^$3\$|d" .images; sed -i "\\| $3\$|d" .tags ;;
	"inspect --format") shift 3; for i; do echo "$i id-${i#c-} 0 /app running/"; done ;;
	"compose --env-file")
		s=${*: -1}
		s=${s#web-}
		case "$6" in
		stop) rm ".up-$s" ;;
		up)
			[ ! -e .ignored ] || return 0
			while IFS='=' read -r k i; do
				[[ $k == *_IMAGE* ]] || continue
				found "$i" || return
				echo "$FOUND"
				if [ "$k" = "APP_IMAGE_${s^^}" ]; then echo "$FOUND" >".new" && command mv .new ".up-$s"; fi
			done <.env.image >.up
			command mv .up .running
			;;
		ps) while read -r i; do echo "c-${i##*@}"; done <.running ;;
		esac
		;;
	*) echo "unexpected: docker $*" >&2; return 1 ;;
	esac
}
curl() {
	fault curl "$@" || return
	[ ! -e .real ] || { command curl "$@"; return; }
	[ ! -e .on-curl ] || . ./.on-curl || return
	local i
	while read -r i; do [[ $i != *sha256:bad* ]] || return 22; done <.running
}
mv() { fault mv "$@" && command mv "$@"; }
sync() { fault sync "$@" && [ ! -e .full ]; }
timeout() { shift; "$@"; }
date() { if [ -e .clock ]; then cat .clock; else command date "$@"; fi; }
`

// transport is the way to the host. CUT names a step and how its connection breaks.
const transport = `#!/bin/bash
cd "$DEPLOY_HOST" && [ ! -e .away ] || exit 255
program=$(cat .stubs -)
step=${program##*$'\nmain '}
run() { bash -s <<<"$1"; }
if [ "${step%% *}" != "${CUT%% *}" ]; then run "$program"; exit; fi
case "${CUT#* }" in
before) ;;
program) run "${program:0:${#program}-2000}" >/dev/null ;;
line) run "${program%</dev/null*}" >/dev/null ;;
answer) run "$program" >/dev/null ;;
away) : >.away ;;
esac
exit 255
`

// host is the directory that stands for the server.
type host struct {
	t   *testing.T
	dir string
}

func newHost(t *testing.T) host {
	t.Helper()
	for _, name := range []string{"bash", "flock"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	h := host{t, t.TempDir()}
	h.write("ssh", transport)
	h.write(".stubs", stubs)
	for _, name := range []string{".env", ".images", ".tags", ".running"} {
		h.write(name, "")
	}
	h.breakAt(0, "")
	return h
}

// clone returns another host in the same state.
func (h host) clone(t *testing.T) host {
	t.Helper()
	c := host{t, t.TempDir()}
	if err := os.CopyFS(c.dir, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	return c
}

// command is the client's, with variables in the place of the usual ones.
func (h host) command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command("./deploy", append(args, "--environment", "staging")...)
	cmd.Env = append(
		os.Environ(), "DEPLOY_TRANSPORT="+filepath.Join(h.dir, "ssh"), "DEPLOY_HOST="+h.dir,
		"DEPLOY_DIR=.", "DEPLOY_LEASE=0", "HEALTH_URL=http://127.0.0.1/health", "HEALTH_TRIES=1", "HEALTH_PAUSE=0", "HEALTH_ANSWERS=1", "CUT=",
	)
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// run runs the client against the host.
func (h host) run(args ...string) (output string, ok bool) { return h.runWith(nil, args...) }

func (h host) runWith(env []string, args ...string) (output string, ok bool) {
	h.t.Helper()
	out, err := h.command(env, args...).CombinedOutput()
	return string(out), err == nil
}

// must runs the client and wants success.
func (h host) must(args ...string) string {
	h.t.Helper()
	out, ok := h.run(args...)
	if !ok {
		h.t.Fatalf("deploy %s: %s", strings.Join(args, " "), out)
	}
	return out
}

func (h host) release(word string) { h.t.Helper(); h.must("release", "--image", image(word)) }

func (h host) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

// read returns a file of the host, or nothing.
func (h host) read(name string) string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil && !os.IsNotExist(err) {
		h.t.Fatal(err)
	}
	return string(data)
}

// running returns the word of what runs.
func (h host) running() string { h.t.Helper(); return word(h.read(".running")) }

func (h host) wantRunning(want string) {
	h.t.Helper()
	if got := h.running(); got != want {
		h.t.Errorf("running %q, want %q", got, want)
	}
}

// inForce returns the word of what deploy status calls in force.
func inForce(status string) string {
	for _, line := range strings.Split(status, "\n") {
		if version, ok := strings.CutPrefix(line, "in force: "); ok {
			return word(version)
		}
	}
	return "nothing: " + status
}

// outcomes returns the second column of the history.
func (h host) outcomes() string {
	var all []string
	for _, line := range strings.Split(strings.TrimSpace(h.read("deployments.tsv")), "\n") {
		if columns := strings.Split(line, "\t"); len(columns) > 1 {
			all = append(all, columns[1])
		}
	}
	return strings.Join(all, " ")
}

// calls returns what the host was asked, one a line.
func (h host) calls() []string { return strings.Split(strings.TrimSpace(h.read(".calls")), "\n") }

// breakAt makes a later call go wrong.
func (h host) breakAt(call int, kind string) {
	h.t.Helper()
	h.write(".calls", "")
	h.write(".count", "0\n")
	h.write(".fault", strconv.Itoa(call)+" "+kind+"\n")
}

// mend ends the trouble.
func (h host) mend() {
	h.t.Helper()
	h.breakAt(0, "")
	for _, name := range []string{".full", ".away", ".registry-down"} {
		if err := os.RemoveAll(filepath.Join(h.dir, name)); err != nil {
			h.t.Fatal(err)
		}
	}
}

// image returns an image whose digest starts with a word of hexadecimal digits,
// and word that word.
func image(word string) string {
	return "registry.example/app@sha256:" + word + strings.Repeat("0", 64-len(word))
}

func word(image string) string {
	_, digest, _ := strings.Cut(strings.TrimSpace(image), "@sha256:")
	return strings.TrimRight(digest, "0")
}
