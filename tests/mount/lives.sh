#!/bin/bash
# The mount's life beside that of programs that have files open in it: nothing hangs, and
# what can be read is read.
. "$(dirname "$0")/lib.sh"
need_fuse
need python3

head -c 300000 /dev/urandom >"$dir/data"
file=$mnt/complete/a.bin
gone() { ! kill -0 "$1" 2>/dev/null; }
exit_status() {
	local status=0
	within 20 ended
	wait "$pid" || status=$?
	pid=
	same "$status" 0 "exit status"
}

start --sync never
url=$(create 300000 a.bin)
same "$(patch "$url" 0 "$dir/data")" 204 PATCH

step "umount of a busy mount is refused, and harms nobody"
exec 8<"$file"
umount "$mnt" 2>/dev/null && fail "it was unmounted"
cmp "$file" "$dir/data"

step "umount -l: open files go on, and the daemon ends with the last"
umount -l "$mnt"
cmp - "$dir/data" <&8
same "$(status_of "$url")" 200 HEAD
exec 8<&-
exit_status

step "another file system on the mountpoint is left alone"
start --sync never
url=$(create 300000 b.bin)
same "$(patch "$url" 0 "$dir/data")" 204 PATCH
exec 8<"$mnt/complete/b.bin"
umount -l "$mnt"
mount -t tmpfs other "$mnt"
mkdir "$mnt/complete"
echo other >"$mnt/complete/b.bin"
same "$(tus -o /dev/null -w '%{http_code}' -X DELETE "$url")" 204 DELETE
same "$(cat "$mnt/complete/b.bin")" other "another's file"
kill -TERM "$pid"
exit_status
same "$(cat "$mnt/complete/b.bin")" other "another's file after the stop"
exec 8<&-
umount "$mnt"

step "a connection that was aborted leaves no dead mount"
start --sync never
exec 8<"$file"
umount -f "$mnt" 2>/dev/null && fail "a busy mount was unmounted"
exit_status
exec 8<&-
not_mounted || fail "a dead mount is left"

step "closed standard streams cost nothing, not the lock of the store"
"$TUSFS" --listen 127.0.0.1:0 "$store" "$mnt" <&- >&- 2>&-
"$TUSFS" --no-mount --listen 127.0.0.1:0 "$store" 2>"$dir/second" &&
	fail "a second daemon has the store open"
grep -q "another tusfs" "$dir/second"
background=$(pgrep -f -o -- "$TUSFS --listen 127.0.0.1:0 $store")
kill -TERM "$background"
within 20 gone "$background"
not_mounted || fail "the mount is still there"

step "SIGTERM while a file is open"
start --sync never
exec 8<"$file"
stop
exec 8<&-

step "kill -9 while files are open, then a start over what is left"
start --sync never
url=$(create 10 growing)
exec 7<"$mnt/incoming/growing" 8<"$file"
publisher=$(pgrep -P "$pid" -x tusfs-publish)
crash
within 5 gone "$publisher"
ls "$mnt/complete" >/dev/null 2>&1 && fail "the mount answers without a daemon"
start --sync never
cmp "$file" "$dir/data"
cat <&7 >/dev/null 2>&1 && fail "an unfinished file can be read without its daemon"
exec 7<&- 8<&-
stop

step "SIGTERM under load takes no time"
start --sync never
for i in 1 2 3; do
	while cat "$file" && ls -l "$mnt/complete" "$mnt/by-id"; do
		echo >>"$dir/turns"
	done >/dev/null 2>&1 &
	others+=($!)
done
busy() { [ "$(wc -l <"$dir/turns")" -gt 10 ]; }
touch "$dir/turns"
within 30 busy
began=$SECONDS
stop
[ $((SECONDS - began)) -le 10 ] || fail "the stop took $((SECONDS - began)) s"
for program in "${others[@]}"; do within 20 gone "$program"; done

step "who may not look into the mount cannot read in it"
start --sync never
if command -v setpriv >/dev/null; then
	chmod 755 "$dir"
	setpriv --reuid=65534 --clear-groups cat "$file" >/dev/null 2>&1 &&
		fail "another user reads without allow_other"
	stop
	start --sync never -o allow_other,umask=027,uid=0,gid=12345
	setpriv --reuid=65534 --regid=65534 --clear-groups cat "$file" >/dev/null 2>&1 &&
		fail "another user reads against the mode"
	setpriv --reuid=65534 --regid=12345 --clear-groups cmp "$file" "$dir/data"
	setpriv --reuid=65534 --regid=12345 --clear-groups rm -f "$file" 2>/dev/null &&
		fail "the group removes without write permission"
fi
stop

step "who shall only read gets a bind mount"
view=$dir/view
mkdir "$view"
start --sync never
mount -o bind,ro "$mnt" "$view"
printf abc >"$dir/abc"
patched=$(patch "$(create 3 seen)" 0 "$dir/abc")
seen=$(cat "$view/complete/seen") || true
rm -f "$view/complete/seen" 2>"$dir/refused" || true
umount "$view"
same "$patched $seen" "204 abc" "an upload in a bind mount"
grep -q "Read-only file system" "$dir/refused" || fail "rm was not refused: $(cat "$dir/refused")"
rm "$mnt/complete/seen"
stop

step "noexec is for the mount too, and a slash behind the mountpoint does no harm"
mnt=$mnt/
start --sync never -o noexec
mnt=${mnt%/}
grep -q " $mnt [^ ]*noexec" /proc/self/mountinfo || fail "the mount is not noexec"
ls "$mnt/complete" >/dev/null
crash
mnt=$mnt/
start --sync never
mnt=${mnt%/}
cmp "$file" "$dir/data"
stop

step "a mountpoint with blanks and escapes, stale, is cleared"
odd="$dir/a b\\c"
mkdir "$odd"
mnt=$odd
start --sync never
ls "$mnt/complete" >/dev/null
crash
start --sync never
cmp "$mnt/complete/a.bin" "$dir/data"
same "$(grep -c "$dir/a" /proc/self/mountinfo)" 1 mounts
kill -TERM "$pid"
exit_status
same "$(grep -c "$dir/a" /proc/self/mountinfo)" 0 mounts
