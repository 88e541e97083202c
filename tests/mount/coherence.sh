#!/bin/bash
# What one door answered, the other shows with the next call; see coherence.c.
#   coherence.sh PROGRAM ROUNDS [THREADS]
. "$(dirname "$0")/lib.sh"
need_fuse
start --sync=never
"$1" "$port" "$mnt" "$2" "${3:-4}"
stop
