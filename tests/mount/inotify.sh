#!/bin/bash
# inotify tells of every upload that comes, finishes and goes. COUNT: how many at once.
. "$(dirname "$0")/lib.sh"
need_fuse
need python3

start --sync never
step "${COUNT:=1000} uploads and single steps"
python3 "$here/inotify.py" "$server$base" "$mnt" "$COUNT"

step "without the publisher only the events are missing"
publisher=$(pgrep -P "$pid" -x tusfs-publish)
kill -KILL "$publisher"
ROUNDS=300
python3 "$here/two_doors.py" "$server$base" "$mnt" "$ROUNDS"
grep -q 'publisher has died' "$log" || fail "nothing in the log"

step "kill -9 in the middle of many leaves nothing behind"
stop
start --sync never
publisher=$(pgrep -P "$pid" -x tusfs-publish)
ls "$mnt/complete" >/dev/null
python3 - "$server$base" "$here" <<'END' 2>/dev/null &
import sys
sys.path.insert(0, sys.argv[2])
import inotify
inotify.upload_many(sys.argv[1], "x", 100000)
END
uploader=$!
has_some() { [ "$(find "$mnt/complete" -name 'x *' | wc -l)" -gt 50 ]; }
within 30 has_some
crash
wait "$uploader" || true
gone() { ! kill -0 "$publisher" 2>/dev/null; }
within 5 gone
start --sync never
has_some || fail "finished uploads are missing"
stop
