# For the tests that drive the real daemon, sourced by each of them in bash. $TUSFS is the
# daemon's path; every test has its own folder, store, mountpoint and port.
# shellcheck shell=bash disable=SC2034
set -euo pipefail

: "${TUSFS:?the path of the daemon}"
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
store=$dir/store
mnt=$dir/mnt
log=$dir/log
base=/files/
pid=
port=
others=() # processes that end with the test
touch "$log"
mkdir "$mnt"

cleanup() {
	local status=$?
	trap - EXIT
	set +e
	kill -9 ${pid:+"$pid"} "${others[@]}" 2>/dev/null
	wait 2>/dev/null
	while grep -q " $mnt " /proc/self/mounts; do umount -l "$mnt" || break; done
	if [ $status -ne 0 ] && [ $status -ne 77 ]; then
		echo "--- the daemon's log:"
		tail -n 100 "$log"
	fi
	rm -rf "$dir"
	exit $status
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

skip() {
	echo "skipped: $*"
	exit 77
}

# Says what is being shown, for the log of a failure.
step() { echo "- $*"; }

same() { [ "$1" = "$2" ] || fail "${3:-}: '$1' is not '$2'"; }

# within SECONDS COMMAND...: repeats a command until it succeeds.
within() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || fail "not in time: $*"
		sleep 0.02
	done
}

need() {
	command -v "$1" >/dev/null || skip "there is no $1"
}

need_fuse() {
	[ -c /dev/fuse ] || skip "there is no /dev/fuse"
	{ : <>/dev/fuse; } 2>/dev/null || skip "/dev/fuse cannot be opened"
	[ "$(id -u)" = 0 ] || skip "only root mounts"
	need curl
}

mounted() { grep -q " $mnt fuse" /proc/self/mounts; }
not_mounted() { ! mounted; }

ended() { ! kill -0 "$pid" 2>/dev/null; }

# The daemon prints one line when both doors are open; it counts since the last start.
ready() {
	ended && fail "the daemon did not start"
	port=$(tail -n +"$((log_lines + 1))" "$log" | sed -n 's/.*ready: port \([0-9]*\),.*/\1/p')
	[ -n "$port" ]
}

# start [OPTION...]: a daemon in the foreground, on the port that it had before.
start() {
	log_lines=$(wc -l <"$log")
	"$TUSFS" -f --listen "127.0.0.1:${port:-0}" "$@" "$store" "$mnt" 2>>"$log" &
	pid=$!
	within 60 ready
	server=http://127.0.0.1:$port
}

# An orderly stop: status 0, and nothing is left mounted.
stop() {
	local status=0
	kill -TERM "$pid"
	wait "$pid" || status=$?
	pid=
	same "$status" 0 "exit status after SIGTERM"
	not_mounted || fail "the mount is still there"
}

# What a power cut or the OOM killer does to the process.
crash() {
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
	pid=
}

# ---- tus by curl ----

tus() { curl -sS --max-time 60 -H 'Tus-Resumable: 1.0.0' "$@"; }

base64_of() { printf %s "$1" | base64 -w0; }

# header NAME: the value of a header in the answer that curl -D or -I wrote to stdin.
header() { tr -d '\r' | sed -n "s/^$1: //Ip" | tail -n 1; }

# create LENGTH NAME [TYPE]: prints the new upload's whole URL.
create() {
	local metadata location
	metadata="filename $(base64_of "$2")${3:+,filetype $(base64_of "$3")}"
	location=$(tus -o /dev/null -D - -X POST -H "Upload-Length: $1" \
		-H "Upload-Metadata: $metadata" "$server$base" | header Location)
	[ -n "$location" ] || fail "no Location for $2"
	echo "$server$location"
}

# patch URL OFFSET FILE: sends a file's bytes; prints the status.
patch() {
	tus -o /dev/null -w '%{http_code}' -X PATCH -H "Upload-Offset: $2" \
		-H 'Content-Type: application/offset+octet-stream' -H 'Expect:' \
		--data-binary "@$3" "$1"
}

offset_of() { tus -I "$1" | header Upload-Offset; }

status_of() { tus -o /dev/null -w '%{http_code}' -I "$1"; }

# slice FILE FROM SIZE: some of a file's bytes.
slice() { tail -c +"$(($2 + 1))" "$1" | head -c "$3" || true; }

# send_part URL OFFSET SIZE FILE: promises SIZE bytes in a PATCH, sends the file's, and
# leaves the connection open as descriptor 9.
send_part() {
	exec 9<>"/dev/tcp/127.0.0.1/$port"
	printf 'PATCH %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: %s\r\n' \
		"${1#"$server"}" "$port" "$2" >&9
	printf 'Content-Type: application/offset+octet-stream\r\nContent-Length: %s\r\n\r\n' \
		"$3" >&9
	cat "$4" >&9
}

hang_up() { exec 9>&-; }

attribute() { getfattr --absolute-names --only-values -n "user.$1" "$2"; }

size_of() { stat -c %s "$1"; }
