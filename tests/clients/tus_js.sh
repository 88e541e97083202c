#!/bin/bash
# tus-js-client in Node.
. "$(dirname "$0")/lib.sh"
need_npm
start
client node "$here/tus_js.mjs"
stop
