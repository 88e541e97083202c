#!/bin/bash
# The program fsck.tusfs: its exit codes, and that its man page has the options of --help.
set -euo pipefail
: "${TUSFS:?the path of the daemon}" "${FSCK:?the path of fsck.tusfs}" "${BACKUP:?that of tusfs-backup}"
page=$(cd "$(dirname "$0")/../../docs" && pwd)/fsck.tusfs.8
store=$(mktemp -d)
daemon=""
finish() {
	[ -z "$daemon" ] || kill "$daemon" || true
	rm -rf "$store"
}
trap finish EXIT

expect() { # CODE ARGUMENT...
	local code=$1 got=0
	shift
	"$FSCK" "$@" >"$store.out" 2>&1 || got=$?
	cat "$store.out" && rm "$store.out"
	[ "$got" = "$code" ] || { echo "fsck.tusfs $*: $got, not $code"; exit 1; }
}

expect 16
expect 16 --nonsense "$store"
expect 16 "$store" "$store"
expect 8 "$store/absent"
expect 8 "$store" # an empty folder is no store
expect 0 --version
expect 0 --help

"$TUSFS" -f --no-mount --listen "unix:$store/socket" "$store" 2>"$store.log" &
daemon=$!
for _ in $(seq 600); do
	grep -q ready: "$store.log" && break
	kill -0 "$daemon"
	sleep 0.1
done
expect 8 "$store"
expect 8 --repair "$store"
kill "$daemon" && wait "$daemon"
daemon=""
rm "$store.log"

expect 0 "$store"
printf 'some bytes' >"$store/blobs/20/0000000000000020"
expect 4 "$store"
expect 4 "$store"
expect 1 --repair "$store"
expect 0 --repair "$store"
expect 0 "$store"

"$BACKUP" "$store" "$store/copy"
[ -s "$store/copy" ] && [ "$(find "$store" -name 'copy*' | wc -l)" = 1 ]
rm "$store/copy"

command -v mandoc >/dev/null || exit 0
mandoc -Tlint -W warning "$page"
options() {
	sed -nE 's/^ +(-h, )?(-V, )?(--[a-z]+)( .*)?$/\3/p' | sort -u
}
diff <("$FSCK" --help | options) <(mandoc -Tascii "$page" | sed 's/.\x08//g' | options)
"$FSCK" --help | options | grep -q -- --repair
page=${page%/*}/tusfs-backup.8
mandoc -Tlint -W warning "$page"
diff <("$BACKUP" --help | options) <(mandoc -Tascii "$page" | sed 's/.\x08//g' | options)
