#!/bin/bash
# A short run of contrib/torture kill.
[ -c /dev/fuse ] || exit 77
cd "$(dirname "$0")" && exec timeout 300 python3 -m torture kill 10 --program "$TUSFS"
