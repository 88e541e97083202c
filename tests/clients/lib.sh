# For the tests with real clients: starts the daemon, and hands it to a client's script.
# shellcheck shell=bash
. "$(dirname "$0")/../mount/lib.sh"
need_fuse

need_npm() {
	need node
	[ -d "$here/node_modules" ] || skip "run npm ci in tests/clients first"
}

# client COMMAND...: runs it with SERVER, MOUNTPOINT and an empty folder as arguments.
client() {
	mkdir -p "$dir/client"
	"$@" "$server" "$mnt" "$dir/client"
}
