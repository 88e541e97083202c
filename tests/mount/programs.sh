#!/bin/bash
# Programs that know nothing of tusfs: mount(8), inotifywait, tail -f, find, du, cp, tar.
. "$(dirname "$0")/lib.sh"
need_fuse
need inotifywait
watcher=
follower=

# The whole of a file comes in two requests.
send() {
	slice "$2" 0 1000 >"$dir/piece"
	same "$(patch "$1" 0 "$dir/piece")" 204 PATCH
	slice "$2" 1000 1000000 >"$dir/piece"
	same "$(patch "$1" 1000 "$dir/piece")" 204 PATCH
}

saw() { grep -qFx "$1" "$dir/events"; }

start
head -c 50000 /dev/urandom >"$dir/data"

step "inotifywait sees uploads come and go"
inotifywait -q -m --format '%e %f' "$mnt/complete" >"$dir/events" 2>&1 &
watcher=$!
others+=("$watcher")
watching() { grep -qs "^inotify wd:" "/proc/$watcher/fdinfo/"*; }
within 60 watching
url=$(create 50000 one.bin)
send "$url" "$dir/data"
within 60 saw "MOVED_TO one.bin"
same "$(tus -o /dev/null -w '%{http_code}' -X DELETE "$url")" 204 DELETE
within 60 saw "DELETE one.bin"
kill "$watcher"

step "tail -f follows an upload"
url=$(create 50000 two.bin)
tail -c +1 -s 0.1 -f "$mnt/incoming/two.bin" >"$dir/followed" &
follower=$!
others+=("$follower")
send "$url" "$dir/data"
followed() { cmp -s "$dir/followed" "$dir/data"; }
within 60 followed
kill "$follower"

step "find, du, cp -a and tar find true sizes, and keep attributes"
same "$(find "$mnt/complete" -type f -size 50000c)" "$mnt/complete/two.bin" find
same "$(du -b "$mnt/complete/two.bin" | cut -f1)" 50000 "du -b"
cp -a "$mnt/complete/two.bin" "$dir/copy"
cmp "$dir/copy" "$dir/data"
same "$(attribute tus.id "$dir/copy")" "${url##*/}" "tus.id of the copy"
tar -C "$mnt" -cf - complete | tar -xOf - complete/two.bin | cmp - "$dir/data"

step "find looks into every folder, though st_nlink counts none"
mkdir -p "$mnt/complete/a/b/c" "$mnt/complete/a/d"
same "$(find "$mnt/complete/a" -type d | wc -l)" 4 "find -type d"
same "$(find "$mnt/complete/a" -noleaf -mindepth 1 -name "?" | wc -l)" 3 "find -noleaf"
rmdir "$mnt/complete/a/b/c" "$mnt/complete/a/b" "$mnt/complete/a/d" "$mnt/complete/a"

step "a name that was asked for before it was there appears all the same"
[ ! -e "$mnt/complete/three.bin" ] || fail "it is there"
url=$(create 3 three.bin)
echo -n abc >"$dir/piece"
same "$(patch "$url" 0 "$dir/piece")" 204 PATCH
same "$(cat "$mnt/complete/three.bin")" abc content
stop

step "mount(8) and umount(8), as with fstab"
mount -t fuse -o "listen=127.0.0.1:$port,allow_other,nofail,umask=027" \
	"$TUSFS#$store" "$mnt"
same "$(stat -c %a "$mnt/complete/three.bin")" 440 mode
same "$(status_of "$url")" 200 HEAD
umount "$mnt"
flock -w 60 "$store/lock" true
