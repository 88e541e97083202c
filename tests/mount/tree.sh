#!/bin/bash
# The mount as a local disk, with the kernel reading the blobs.
. "$(dirname "$0")/lib.sh"
need_fuse
need python3

start --sync never
python3 "$here/tree.py" "$server$base" "$mnt"
stop

