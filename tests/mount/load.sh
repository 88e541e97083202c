#!/bin/bash
# fio reads files that verify themselves, and stress-ng goes for folders.
. "$(dirname "$0")/lib.sh"
need_fuse
need fio
need stress-ng
size=$((8 << 20))

# make_pattern FILE: each block carries its place and a checksum.
make_pattern() {
	(cd "$dir" && fio --name=write --filename="$1" --rw=write --bs=4k --size=$size \
		--verify=crc32c --do_verify=0 --output="$dir/fio") || fail "fio cannot write"
}

# verified FILE ENGINE WAY: fio leaves a note of its state where it runs.
verified() {
	(cd "$dir" && fio --name=read --readonly --filename="$1" --ioengine="$2" --rw="$3" \
		--bs=4k --size=$size --iodepth=4 --verify=crc32c --output="$dir/fio") \
		>"$dir/errors" 2>&1
}

send() {
	url=$(create $size "$2")
	slice "$1" 0 3000000 >"$dir/piece"
	same "$(patch "$url" 0 "$dir/piece")" 204 PATCH
	slice "$1" 3000000 $size >"$dir/piece"
	same "$(patch "$url" 3000000 "$dir/piece")" 204 PATCH
}

start --sync never
make_pattern "$dir/pattern"
send "$dir/pattern" pattern

engines=(psync mmap)
for engine in libaio io_uring; do
	verified "$dir/pattern" $engine read && engines+=($engine)
done
for engine in "${engines[@]}"; do
	step "fio --ioengine=$engine"
	for way in read randread; do
		verified "$mnt/complete/pattern" "$engine" $way || fail "$(cat "$dir/errors")"
	done
done
cp "$dir/pattern" "$dir/damaged"
printf x | dd of="$dir/damaged" bs=1 seek=5000000 conv=notrunc status=none
send "$dir/damaged" damaged
verified "$mnt/complete/damaged" psync read && fail "fio does not see damage"

step "stress-ng, which may make folders but no files: chdir, dir, and fstat of what is there"
# Later ones put files into the folders of --dir, for which there is no place here.
folders=()
[[ $(stress-ng --version) =~ version\ 0\.1[0-5]\. ]] && folders=(--dir 1 --dir-dirs 64 --dir-ops 100)
stress-ng --temp-path "$mnt/complete" --chdir 1 --chdir-dirs 64 --chdir-ops 200 "${folders[@]}" \
	--fstat 2 --fstat-dir "$mnt/complete" --fstat-ops 5000 \
	--verify --timeout 60 >"$dir/stress" 2>&1 || fail "$(cat "$dir/stress")"
grep -q 'successful run completed' "$dir/stress" || fail "$(cat "$dir/stress")"
same "$(ls -A "$mnt/complete")" "$(printf 'damaged\npattern')" "what stress-ng leaves"
stop
