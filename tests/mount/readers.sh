#!/bin/bash
# Programs that read in every way there is, at once, while uploads come and go and names
# move. Of stress-ng's stressors those for readahead, mmap, sendfile and the like make a
# file of their own to work on, which the mount refuses; load.sh has the others.
#   SECONDS_EACH=60 readers.sh   for longer, by hand
. "$(dirname "$0")/lib.sh"
need_fuse
need python3
complete=$mnt/complete
loops=()

# upload NAME FILE
upload() {
	local url
	url=$(create "$(size_of "$2")" "$1")
	same "$(patch "$url" 0 "$2")" 204 "PATCH of $1"
}

# repeat COMMAND...: until the time is over, beside what else there is.
repeat() {
	while [ $SECONDS -lt $deadline ]; do "$@"; done &
	loops+=($!)
}

look_around() {
	find "$mnt" -ignore_readdir_race -printf '%p %s\n' >"$dir/found"
	ls -fR "$mnt" >/dev/null
	grep -q "stay/9 31$" "$dir/found"
	stat "$complete/stay"/[1-6] >/dev/null
}

pack() { (cd "$complete" && tar -cf - data* stay/[1-6]) | tar -xOf - stay/6 | cmp - "$dir/small"; }

head -c 1000000 /dev/urandom >"$dir/data"
echo "plain text, and not much of it" >"$dir/small"
start --sync never
mkdir "$complete/stay"
for name in 1 2 3 4 5 6 7 8 9; do upload $name "$dir/small"; done
mv "$complete"/[1-9] "$complete/stay"
for name in a b c; do upload "data $name" "$dir/data"; done

step "all of them read the same bytes"
deadline=$((SECONDS + ${SECONDS_EACH:-4}))
repeat cmp "$complete/data a" "$dir/data"
repeat python3 "$here/readers.py" "$dir/data" "$complete"/data*
repeat look_around
repeat pack
others+=("${loops[@]}")
while [ $SECONDS -lt $deadline ]; do
	rm "$complete/stay/7"
	upload 7 "$dir/small"
	mv "$complete/7" "$complete/stay/7"
done
for loop in "${loops[@]}"; do wait "$loop" || fail "one of them failed: status $?"; done
stop
