#!/bin/bash
# A daemon that is not root: mounted by fusermount3, read through the daemon.
if [ -z "${INSIDE:-}" ]; then
	unshare -m true 2>/dev/null || { echo "skipped: no mount name spaces"; exit 77; }
	INSIDE=1 exec unshare -m "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
need_fuse
need fusermount3
need setpriv
need /usr/bin/python3
[ -u "$(command -v fusermount3)" ] || skip "fusermount3 is not set-uid"

# Everybody may open the device, as udev has it.
mknod -m 666 "$dir/fuse" c 10 229
mount --bind "$dir/fuse" /dev/fuse
chmod 755 "$dir"
cp -r "$here" "$dir/tests"
install -m 755 "$TUSFS" "$dir/tusfs"
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
cat >"$dir/daemon" <<END
#!/bin/bash
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/tusfs" "\$@"
END
chmod +x "$dir/daemon"
TUSFS=$dir/daemon
mkdir "$store"
chown 65534:65534 "$store" "$mnt"

start --sync never
step "nobody but the mounter reaches it"
ls "$mnt" >/dev/null 2>&1 && fail "root can look into it"

step "all works that works with privileges"
as_nobody /usr/bin/python3 "$dir/tests/tree.py" "$server$base" "$mnt"
grep -q 'read through the daemon' "$log" || fail "the way of reading is not in the log"
as_nobody /usr/bin/python3 "$dir/tests/inotify.py" "$server$base" "$mnt" 100
as_nobody /usr/bin/python3 "$dir/tests/two_doors.py" "$server$base" "$mnt" 200

step "an orderly stop, also while a file is open"
url=$(create 3 open)
exec 8< <(as_nobody tail -f "$mnt/incoming/open")
opened() { find "/proc/$pid" -maxdepth 0 >/dev/null && as_nobody ls "$mnt/incoming/open" >/dev/null; }
within 10 opened
stop
exec 8<&-

step "who may not write in the mount is told why inotify is silent"
start --sync never -o uid=12345
as_nobody ls "$mnt/complete" "$mnt/incoming" >/dev/null
url=$(create 4 silent)
grep -q 'inotify tells of no change' "$log" || fail "nothing in the log"
echo abc >"$dir/abc"
same "$(patch "$url" 0 "$dir/abc")" 204 PATCH
as_nobody cmp "$mnt/complete/silent" "$dir/abc"

step "a connection that was aborted leaves no dead mount"
exec 8< <(as_nobody tail -f "$mnt/complete/silent")
read -r line <&8
same "$line" abc "the file"
umount -f "$mnt" 2>/dev/null && fail "a busy mount was unmounted"
within 20 ended
wait "$pid" || fail "exit status $?"
pid=
exec 8<&-
not_mounted || fail "a dead mount is left"
umount /dev/fuse
