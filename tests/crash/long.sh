#!/bin/bash
# A short run of contrib/torture long, slow enough that more than a second is sent.
[ -c /dev/fuse ] || exit 77
cd "$(dirname "$0")" && exec timeout 300 python3 -m torture long 0.25 --rate 80 \
	--program "$TUSFS"
