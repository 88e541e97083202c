#!/bin/bash
# What one door changes while the other finishes the same upload. ROUNDS: how often.
. "$(dirname "$0")/lib.sh"
need_fuse
need python3

start --sync never
step "${ROUNDS:=200} rounds of each race"
python3 "$here/races.py" "$server$base" "$mnt" "$ROUNDS"
same "$(find "$mnt" -mindepth 2)" "" "what is left"
stop
