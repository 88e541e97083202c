#!/bin/bash
# A short run of contrib/torture power, on ext4 whose disk loses its cache.
[ "$(id -u)" = 0 ] && [ -c /dev/fuse ] && [ -c /dev/loop-control ] || exit 77
command -v mkfs.xfs mkfs.ext4 >/dev/null || exit 77
grep -qw xfs /proc/filesystems || modprobe xfs 2>/dev/null || exit 77
cd "$(dirname "$0")" && exec timeout 300 python3 -m torture power 5 --fs ext4 \
	--cache loses --program "$TUSFS"
