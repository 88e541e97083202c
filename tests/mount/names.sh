#!/bin/bash
# A folder with very many names, seen by programs that know nothing of it. By hand with
# more of them: NAMES=1000000.
#   names.sh BENCH_FILL
. "$(dirname "$0")/lib.sh"
need_fuse
names=${NAMES:-20000}
folder=$mnt/complete/fill-0

start --sync never
stop
"$1" "$store/catalog.db" "$names" "$names"
start --sync never

# timed TEXT COMMAND...: says how long it took, and what the daemon needs.
timed() {
	local text=$1 began=${EPOCHREALTIME/./}
	shift
	"$@"
	step "$text: $(((${EPOCHREALTIME/./} - began) / 1000)) ms," \
		"the daemon has $(sed -n 's/^VmRSS:[[:space:]]*//p' "/proc/$pid/status")"
}

all_once() {
	ls -f "$folder" | grep -v '^\.\.\?$' | sort >"$dir/names"
	same "$(wc -l <"$dir/names")" "$names" "names of ls -f"
	same "$(uniq "$dir/names" | wc -l)" "$names" "different names of ls -f"
}

found_once() {
	find "$folder" -type f -printf '%f\n' | sort | cmp - "$dir/names"
	same "$(find "$folder" -type f | wc -l)" "$names" "names of find"
}

found_by_size() { same "$(find "$folder" -type f -size 1c | wc -l)" "$names" "find -size"; }

looked_up() {
	shuf -n 2000 "$dir/names" >"$dir/some"
	(cd "$folder" && xargs -n 500 stat -c '%s %n' <"$dir/some") | sed 's/^1 //' |
		cmp - "$dir/some"
}

removed_and_moved() {
	head -n 100 "$dir/names" | (cd "$folder" && xargs rm)
	(cd "$folder" && mv upload-99.bin ../moved.bin && mv ../moved.bin last.bin)
	head -n 100 "$dir/names" | (cd "$folder" && xargs ls 2>/dev/null) && fail "there after rm"
	ls -f "$folder" | grep -v '^\.\.\?$' | sort >"$dir/after"
	{ tail -n +101 "$dir/names" | grep -vx upload-99.bin; echo last.bin; } | sort |
		cmp - "$dir/after"
}

timed "ls -f, cold" all_once
timed "ls -f, hot" all_once
timed "find twice" found_once
timed "find -size" found_by_size
timed "stat of 2000 random names" looked_up
stop
start --sync never
timed "stat of 2000 random names, cold" looked_up
timed "find -size, cold" found_by_size
timed "100 names removed, one moved, ls -f" removed_and_moved
stop
