#!/bin/bash
# What somebody mounted inside the mount is not the daemon's to change.
. "$(dirname "$0")/lib.sh"
need_fuse
without_openat2=$1

mkdir "$dir/other"
echo precious >"$dir/other/a"

# It goes with the mount when the test fails.
mount_inner() {
	mount --bind "$1" "$2" 2>/dev/null || skip "bind mounts are not permitted"
}

# upload_in PATH: a finished upload; prints its URL.
upload_in() {
	local location
	location=$(tus -o /dev/null -D - -X POST -H 'Upload-Length: 3' \
		-H "Upload-Metadata: relativePath $(base64_of "$1")" \
		-H 'Content-Type: application/offset+octet-stream' --data-binary abc \
		"$server$base" | header Location)
	[ -n "$location" ] || fail "no Location for $1"
	echo "$server$location"
}

check_other() {
	same "$(ls "$dir/other")" a "what is in the other folder $1"
	same "$(cat "$dir/other/a")" precious "its file $1"
}

check_folders() {
	local url
	url=$(upload_in special/a)
	ls "$mnt/complete/special" >/dev/null
	mount_inner "$dir/other" "$mnt/complete/special"
	same "$(tus -o /dev/null -w '%{http_code}' -X DELETE "$url")" 204 DELETE
	check_other "after DELETE"
	url=$(upload_in special/b)
	check_other "after an upload"
	umount "$mnt/complete/special"
	[ -f "$mnt/complete/special/b" ] || fail "special/b is not there"
	rm "$mnt/complete/special/b"
	rmdir "$mnt/complete/special"

	mount_inner "$dir/other" "$mnt/incoming"
	url=$(create 10 c)
	check_other "after POST"
	umount "$mnt/incoming"
	same "$(tus -o /dev/null -w '%{http_code}' -X DELETE "$url")" 204 DELETE
}

check_name() {
	local url
	url=$(upload_in single)
	ls "$mnt/complete" >/dev/null
	mount_inner "$dir/other/a" "$mnt/complete/single"
	same "$(tus -o /dev/null -w '%{http_code}' -X DELETE "$url")" 204 DELETE
	check_other "after DELETE of a name that is mounted on"
	umount -l "$mnt/complete/single" 2>/dev/null || true
	[ ! -e "$mnt/complete/single" ] || fail "complete/single is still there"
}

step "folders of others"
start --sync never
check_folders
step "a name that is mounted on"
check_name
stop

daemon=$TUSFS
for error in 38 1; do
	step "without openat2, which fails with $error"
	TUSFS=$dir/daemon
	printf '#!/bin/sh\nexec "%s" %s "%s" "$@"\n' "$without_openat2" $error "$daemon" >"$TUSFS"
	chmod +x "$TUSFS"
	start --sync never
	check_folders
	stop
done
