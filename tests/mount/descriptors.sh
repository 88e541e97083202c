#!/bin/bash
# Programs that keep files open do not take the descriptors that clients need.
. "$(dirname "$0")/lib.sh"
need_fuse
need python3

descriptors() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }

# So few that a test can use them up: twice what 20 connections may need.
ulimit -n 2168
start --sync never --max-connections 20

step "what the kernel reads itself takes none"
before=$(descriptors)
: >"$dir/open" >"$dir/open2"
python3 "$here/descriptors.py" whole "$server$base" "$mnt" 100 >"$dir/open" &
others+=($!)
within 60 grep -q . "$dir/open"
same "$(cat "$dir/open")" 100 "files open"
if grep -q passthrough "$log"; then
	[ "$(descriptors)" -lt $((before + 50)) ] || fail "$(descriptors) descriptors"
fi
kill "${others[@]}"
wait "${others[@]}" 2>/dev/null || true

step "of what it does not, no more can be open than leaves some to clients"
limit=$(sed -n 's/^Max open files *\([0-9]*\).*/\1/p' "/proc/$pid/limits")
python3 "$here/descriptors.py" final "$server$base" "$mnt" $((limit / 16 + 10)) >"$dir/open2" &
others+=($!)
within 120 grep -q . "$dir/open2"
open=$(cat "$dir/open2")
[ "$open" -gt 0 ] && [ $((open * 16)) -le $((limit / 2)) ] || fail "$open finals of $limit / 16 open"
printf abc >"$dir/abc"
same "$(patch "$(create 3 new)" 0 "$dir/abc")" 204 "an upload meanwhile"
same "$(cat "$mnt/complete/new")" abc "a small file"
head -c 100000 /dev/urandom >"$dir/large"
url=$(create 100000 large)
same "$(patch "$url" 0 "$dir/large")" 204 "a large one"
curl -sS --max-time 60 "$url" | cmp - "$dir/large"
stop
