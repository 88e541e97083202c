#!/bin/bash
# Uppy in Debian's Chromium.
. "$(dirname "$0")/lib.sh"
need_npm
need chromium
start
client node "$here/uppy.mjs"
stop
