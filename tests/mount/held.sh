#!/bin/bash
# Programs that hold folders of the mount for long. ROUNDS: how often rm is tried.
. "$(dirname "$0")/lib.sh"
need_fuse
need python3
hold=$1

held() { python3 "$here/held.py" "$server$base" "$mnt" "$pid" "$@"; }

# hold_folder FOLDER: until let_go.
hold_folder() {
	mkfifo "$dir/reins"
	"$hold" "$1" <"$dir/reins" >"$dir/held" &
	holder=$!
	others+=("$holder")
	exec 6>"$dir/reins"
	within 30 grep -q held "$dir/held"
}

let_go() {
	exec 6>&-
	wait "$holder"
	rm "$dir/reins"
}

start --sync never
step "${ROUNDS:=100} rm in by-id/ beside a rename from there to complete/"
held renamed "$ROUNDS"
stop

status=0
"$hold" / </dev/null >"$dir/held" || status=$?
[ $status -ne 77 ] || skip "there is no userfaultfd"

start --sync never
step "uploads while complete/ is listed for ever"
held listed "$hold" a
lines=$(tail -n +"$((log_lines + 1))" "$log")
same "$(grep -c 'holds a folder' <<<"$lines")" 1 "lines that tell of it"
grep -q 'free again, and inotify has been told' <<<"$lines" || fail "its end is not in the log"

step "a stop while complete/ is listed for ever"
ls "$mnt/complete" >/dev/null
hold_folder "$mnt/complete"
create 0 late >/dev/null
kill -TERM "$pid"
within 30 ended
status=0
wait "$pid" || status=$?
same "$status" 0 "exit status"
pid=
not_mounted || fail "the mount is still there"
start --sync never
stop
let_go

step "uploads while complete/ is listed for ever, without the publisher"
start --sync never
ls "$mnt/complete" >/dev/null
kill -KILL "$(pgrep -P "$pid" -x tusfs-publish)"
create 0 first >/dev/null
grep -q 'publisher has died' "$log" || fail "the publisher's death is not in the log"
held untold "$hold"
stop
