#!/bin/bash
# tus-js-client through a proxy that cuts connections at random.
. "$(dirname "$0")/lib.sh"
need_npm
start
client node "$here/cuts.mjs"
stop
