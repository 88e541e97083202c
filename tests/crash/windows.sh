#!/bin/bash
# A power cut in every window of a few requests; see tests/crash/torture/windows.py.
[ "$(id -u)" = 0 ] && [ -c /dev/fuse ] && [ -c /dev/loop-control ] || exit 77
command -v mkfs.xfs mkfs.ext4 >/dev/null || exit 77
grep -qw xfs /proc/filesystems || modprobe xfs 2>/dev/null || exit 77
cd "$(dirname "$0")" && exec timeout 300 python3 -m torture windows \
	--flow finish --flow terminate --program "$TUSFS_WINDOWS"
