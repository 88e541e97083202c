#!/bin/bash
# tus-js-client uploads while the daemon is stopped, killed and started again.
. "$(dirname "$0")/lib.sh"
need_npm
start
mkdir "$dir/client"
echo 0 >"$dir/client/round"
client node "$here/restarts.mjs" &
others+=($!)

grown() { [ "$(stat -c %s "$mnt/incoming/restarts.bin" 2>/dev/null || echo 0)" -gt "$1" ]; }
before=0
round=0
for end in stop crash crash stop crash; do
	within 60 grown "$before"
	before=$(size_of "$mnt/incoming/restarts.bin")
	$end
	start
	[ "$(size_of "$mnt/incoming/restarts.bin")" -ge "$before" ] || fail "the size went back"
	round=$((round + 1))
	echo $round >"$dir/client/round"
done
wait "${others[0]}"
others=()
stop
