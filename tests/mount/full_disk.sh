#!/bin/bash
# A store whose disk is full to the last block, by another program: all but new bytes works,
# through both doors, and frees the space. FS: ext4, xfs or btrfs.
. "$(dirname "$0")/lib.sh"
need_fuse
FS=${FS:-ext4}
need "mkfs.$FS"
[ -c /dev/loop-control ] || skip "there is no /dev/loop-control"

ram=$dir/ram
end() {
	local status=$?
	set +e
	[ -z "$pid" ] || crash
	umount -l "$mnt" "$store" "$ram" 2>/dev/null
	(exit $status)
	cleanup
}
trap end EXIT

mkdir "$ram" "$store"
case $FS in
ext4) size=80 make=(mkfs.ext4 -q -m 0 -b 4096) ;;
xfs) size=320 make=(mkfs.xfs -q) ;;
btrfs) size=160 make=(mkfs.btrfs -q) ;;
esac
mount -t tmpfs -o size=$((size + 16))m tmpfs "$ram"
truncate -s "${size}M" "$ram/disk"
"${make[@]}" "$ram/disk"
mount -o loop "$ram/disk" "$store"

head -c 30000000 /dev/urandom >"$dir/thirty"
head -c 4000000 /dev/urandom >"$dir/four"
available() { df --output=avail -B1 "$store" | tail -n 1 | tr -d ' '; }
fill() {
	local size
	for size in 1M 64k 4k; do
		dd if=/dev/zero of="$store/filler" bs=$size oflag=append conv=notrunc,fsync \
			status=none 2>/dev/null || true
	done
	[ "$(available)" -lt 32768 ] || fail "there is still room"
}
# many N: that many small uploads.
many() {
	for _ in $(seq "$1"); do
		echo "url = $server$base"
	done | tus -o /dev/null -X POST -H "Upload-Length: 5" -H "Upload-Metadata: filename $(base64_of s)" \
		-H 'Content-Type: application/offset+octet-stream' --data hello -K -
}
names() { find "$mnt/complete" -name 's*' | wc -l; }

start --expire-after=0
step "a disk that fills up during a PATCH: 507, and the offset tells what was kept"
whole=$(create 12000000 whole)
slice "$dir/thirty" 0 12000000 >"$dir/twelve"
same "$(patch "$whole" 0 "$dir/twelve")" 204
many 400
half=$(create 30000000 half)
slice "$dir/thirty" 0 10000000 >"$dir/first"
same "$(patch "$half" 0 "$dir/first")" 204
endless=$(tus -o /dev/null -D - -X POST -H 'Upload-Defer-Length: 1' "$server$base" |
	header Location)
endless=$server$endless
head -c "${size}M" /dev/zero | tus -o /dev/null -D "$dir/answer" -X PATCH -H 'Upload-Offset: 0' \
	-H 'Content-Type: application/offset+octet-stream' -H 'Transfer-Encoding: chunked' \
	-H 'Expect:' --data-binary @- "$endless" || true
grep -q ' 507 ' "$dir/answer" || fail "no 507: $(cat "$dir/answer")"
kept=$(header Upload-Offset <"$dir/answer")
[ "$kept" -gt 10000000 ] || fail "only $kept bytes were kept"
same "$(offset_of "$endless")" "$kept"
same "$(size_of "$mnt/incoming/${endless##*/}")" "$kept"

step "a disk that somebody else has filled"
tus -X DELETE "$endless"
gone() { [ "$(available)" -gt 10000000 ]; }
within 20 gone
fill
same "$(patch "$half" 10000000 "$dir/four")" 507
same "$(offset_of "$half")" 10000000
same "$(tus -o /dev/null -w '%{http_code}' -X POST -H 'Upload-Length: 5' "$server$base")" 507
tus "$whole" | cmp - "$dir/twelve"
cmp "$mnt/complete/whole" "$dir/twelve"
cmp "$mnt/incoming/half" "$dir/first"

step "hundreds of removals by DELETE and by rm"
rm "$mnt"/complete/s\ \([1-9]*5\)
n=$(names)
[ "$n" -lt 400 ] || fail "rm removed nothing"
find "$mnt/by-id" -type l -lname '*/s*' -printf "url = $server$base%f\n" | sed -n 1,250p |
	tus -X DELETE -K - -f -o /dev/null
same "$(names)" $((n - 250))

step "an orderly stop, a crash, and a start on the full disk"
fill
stop
fill
start --expire-after=0
crash
fill
start --expire-after=0
same "$(offset_of "$half")" 10000000
same "$(patch "$half" 10000000 "$dir/four")" 507
rm "$mnt"/complete/s\ \([1-9]*1\)

step "space that comes free is used by the next PATCH"
tus -X DELETE "$whole"
slice "$dir/thirty" 10000000 1500000 >"$dir/second"
taken() { [ "$(patch "$half" 10000000 "$dir/second")" = 204 ]; }
within 20 taken
rm "$store/filler"
tail -c 18500000 "$dir/thirty" >"$dir/third"
room() { [ "$(available)" -gt 30000000 ]; }
within 60 room # btrfs takes its time
same "$(patch "$half" 11500000 "$dir/third")" 204
cmp "$mnt/complete/half" "$dir/thirty"
stop
