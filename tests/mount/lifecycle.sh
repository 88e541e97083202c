#!/bin/bash
# How the daemon starts, refuses to start, and ends.
. "$(dirname "$0")/lib.sh"

# refused_by STATUS TEXT COMMAND...: it exits with the status and one line with the text.
refused_by() {
	local expected=$1 text=$2 status=0
	shift 2
	timeout 60 "$@" >"$dir/out" 2>&1 </dev/null || status=$?
	same "$status" "$expected" "exit status of $*"
	same "$(wc -l <"$dir/out")" 1 "lines of: $(cat "$dir/out")"
	grep -qF -- "$text" "$dir/out" || fail "'$text' is not in: $(cat "$dir/out")"
}

refused() { refused_by "$1" "$2" "$TUSFS" "${@:3}"; }

any=127.0.0.1:0

step "--help and --version"
"$TUSFS" --help | grep -q '^Usage: tusfs'
"$TUSFS" -V | grep -qE '^tusfs [0-9]+\.[0-9]+\.[0-9]+$'

step "wrong usage is status 2"
refused 2 "STORE is missing"
refused 2 "unknown option '--frobnicate'" --frobnicate "$store" "$mnt"
refused 2 "sync: 'perhaps'" --sync perhaps "$store" "$mnt"

need_fuse

step "what prevents a start is told in one line, with status 1"
refused 1 "$dir/nowhere" --listen $any "$store" "$dir/nowhere"
touch "$dir/file"
refused 1 "$dir/file" --listen $any "$store" "$dir/file"
mkdir "$dir/full"
touch "$dir/full/something"
refused 1 "not empty" --listen $any "$store" "$dir/full"
refused 1 "$dir/no/store" --listen $any "$dir/no/store" "$mnt"
refused 1 "$dir/file" --listen $any "$dir/file" "$mnt"
refused 1 "nonsense" --listen nonsense.invalid:1 "$store" "$mnt"
if unshare -m true 2>/dev/null; then
	refused_by 1 "/dev/fuse" unshare -m bash -c 'mount -t tmpfs none /dev
		mknod /dev/null c 1 3; mknod /dev/urandom c 1 9; exec "$@"' x \
		"$TUSFS" -f --listen $any "$store" "$mnt"
	mkdir "$dir/fixed"
	refused_by 1 "$dir/fixed" unshare -m bash -c 'mount -t tmpfs -o ro none "$0"; exec "$@"' \
		"$dir/fixed" "$TUSFS" -f --listen $any "$dir/fixed" "$mnt"
fi

step "a taken port"
start
mkdir "$dir/mnt2"
refused 1 "127.0.0.1:$port" --listen "127.0.0.1:$port" "$dir/store2" "$dir/mnt2"
grep -q " $dir/mnt2 " /proc/self/mounts && fail "a mount was left behind"

step "a store that another daemon has open"
refused 1 "another tusfs has $store open" --listen $any "$store" "$dir/mnt2"
mounted || fail "the second daemon took the first one's mount"
refused 1 "another tusfs has $store open" --listen $any "$store" "$mnt"
mounted || fail "the second daemon took the first one's mount"

step "two SIGTERMs end it as one does"
kill -TERM "$pid"
kill -TERM "$pid" 2>/dev/null || true
status=0
wait "$pid" || status=$?
pid=
same "$status" 0 "exit status"
not_mounted || fail "the mount is still there"

step "SIGINT ends it too"
start
kill -INT "$pid"
status=0
wait "$pid" || status=$?
pid=
same "$status" 0 "exit status"

step "umount ends it, with status 0"
start
umount "$mnt"
status=0
wait "$pid" || status=$?
pid=
same "$status" 0 "exit status"

step "a start that follows an umount at once waits for the first daemon to end"
start
umount "$mnt"
"$TUSFS" --listen "127.0.0.1:$port" "$store" "$mnt"
wait "$pid"
pid=$(pgrep -o -f "^$TUSFS --listen 127.0.0.1:$port $store $mnt\$")
umount "$mnt"
within 60 ended
pid=

step "a store of a newer version"
cp -a "$store" "$dir/newer"
/usr/bin/python3 - "$dir/newer/catalog.db" <<'END'
import sqlite3, sys
catalog = sqlite3.connect(sys.argv[1])
catalog.execute("PRAGMA user_version = 1000000")
catalog.commit()
END
refused 1 "newer version" --listen $any "$dir/newer" "$mnt"

step "a stop while a PATCH hangs takes no time, and keeps what had come"
start
url=$(create 1000000 slow)
head -c 1000 /dev/zero >"$dir/part"
send_part "$url" 0 1000000 "$dir/part"
began=$SECONDS
stop
hang_up
[ $((SECONDS - began)) -le 20 ] || fail "the stop took $((SECONDS - began)) s"

step "a stale mount is cleared at the next start"
start
crash
ls "$mnt" >/dev/null 2>&1 && fail "the mount survived kill -9"
start
ls "$mnt/incoming" >/dev/null
same "$(grep -c " $mnt fuse" /proc/self/mounts)" 1 "mounts"
stop

step "in the background it returns when both doors are open, and lets go of the output"
output=$("$TUSFS" --listen "127.0.0.1:$port" "$store" "$mnt" 2>&1)
same "$output" "" output
same "$(curl -sS -o /dev/null -w '%{http_code}' -X OPTIONS "$server$base")" 204 OPTIONS
ls "$mnt/complete" >/dev/null
pid=$(pgrep -o -f "^$TUSFS --listen 127.0.0.1:$port $store $mnt\$")
same "$(readlink "/proc/$pid/cwd")" / "current folder"
same "$(readlink "/proc/$pid/fd/2")" /dev/null "standard error"
same "$(ps -o sid= -p "$pid" | tr -d ' ')" "$pid" "session"
kill -TERM "$pid"
within 60 ended
pid=
not_mounted || fail "the mount is still there"

step "without a mount"
"$TUSFS" --no-mount --listen "127.0.0.1:$port" "$store"
pid=$(pgrep -o -f "^$TUSFS --no-mount --listen 127.0.0.1:$port $store\$")
same "$(curl -sS -o /dev/null -w '%{http_code}' -X OPTIONS "$server$base")" 204 OPTIONS
not_mounted || fail "there is a mount"
kill -TERM "$pid"
within 60 ended
pid=

step "a socket that systemd hands over takes the place of --listen"
/usr/bin/python3 -c '
import os, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])' \
	"$port" "$TUSFS" -f --no-mount --listen 203.0.113.1:1 "$store" 2>>"$log" &
pid=$!
answers() { curl -sS -o /dev/null -X OPTIONS "$server$base" 2>/dev/null; }
within 60 answers
stop

step "options from a file"
cat >"$dir/conf" <<END
# both doors
listen = 127.0.0.1:$port
listen = unix:$dir/socket
base-path = /up
umask = 077
uid = 12345
END
"$TUSFS" --config "$dir/conf" -f "$store" "$mnt" 2>>"$log" &
pid=$!
log_lines=$(wc -l <"$log")
within 60 test -S "$dir/socket"
within 60 mounted
base=/up/
url=$(create 3 by-file)
same "$(curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$dir/socket" \
	-H 'Tus-Resumable: 1.0.0' -I "http://x${url#"$server"}")" 200 "HEAD by the socket"
same "$(stat -c '%u %a' "$mnt/incoming/by-file")" "12345 400" "owner and mode"
stop

step "errors in the file are told with their line"
echo 'frobnicate = yes' >"$dir/conf"
refused 2 "$dir/conf:1: unknown option 'frobnicate'" --config "$dir/conf" "$store" "$mnt"
