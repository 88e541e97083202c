#!/bin/bash
# What one door answered, the other shows with the next call. ROUNDS: how often.
. "$(dirname "$0")/lib.sh"
need_fuse
need python3

start --sync never
step "${ROUNDS:=1000} rounds from 8 threads"
python3 "$here/two_doors.py" "$server$base" "$mnt" "$ROUNDS"
same "$(find "$mnt" -mindepth 2)" "" "what is left"
stop
