#!/bin/bash
# Enforces the arrows between the modules (docs/ARCHITECTURE.md) by reading #include lines.
# Usage: arrows.sh [ROOT]
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

base="error fault_point log clock id digest text metadata name concat file in_place scoped"

# What each module may include of include/tusfs/, besides base. A module's public headers
# are MODULE.h and MODULE_*.h.
declare -A may=(
	[base]="" [store]="store" [catalog]="catalog" [uploads]="uploads catalog store"
	[http]="http uploads" [fs]="fs uploads" [check]="check uploads catalog store"
	[main]="http fs uploads check")
# What a public header may include, besides base: whoever includes it gets that too.
declare -A header_may=([http]="uploads" [fs]="uploads")

# The libraries that only one module may know.
declare -A library=(
	[catalog]='sqlite3.*' [http]='microhttpd.*' [fs]='.*fuse.*' [main]='ini\.h'
	[base]='openssl/.*|zlib\.h|unistr\.h|unictype\.h|uninorm\.h')

status=0
refuse() {
	echo "$file includes $header: $1"
	status=1
}

# $module: "src/uploads/x.c" is of uploads, "src/x.c" of main, others of none.
set_module() {
	case $file in
	src/*/*)
		module=${file#src/}
		module=${module%%/*}
		;;
	src/*) module=main ;;
	*) module="" ;;
	esac
}

is_in() { # WORD LIST
	[[ " $2 " == *" $1 "* ]]
}

check_public() { # a header of include/tusfs/
	local name=${header#tusfs/} own allowed
	name=${name%.h}
	is_in "$name" "$base" && return 0
	name=${name%%_*}
	case $file in
	tests/*) return 0 ;;
	include/tusfs/*)
		own=${file#include/tusfs/}
		own=${own%.h}
		allowed="${header_may[${own%%_*}]:-} ${own%%_*}"
		;;
	*) allowed=${may[$module]:-} ;;
	esac
	is_in "$name" "$allowed" || refuse "against the arrows"
}

# What may look inside all the same: the tests that ask SQLite for the plan of each
# statement, whether each rule is one, and for what is in its log.
insiders="tests/engine/test_statements.c:catalog/query.h tests/engine/test_statements.c:catalog/rules.def"
insiders+=" tests/engine/test_frames.c:catalog/query.h tests/engine/test_frames.c:catalog/frames.h"

check_private() { # "x.h", which must be of the same folder, or what tests share
	local folder=${file%/*}
	is_in "$file:$header" "$insiders" && return 0
	case $header in
	*/*) refuse "a private header of another folder" ;;
	*)
		[[ -e $folder/$header ]] && return 0
		[[ $file == tests/* && -e tests/support/$header ]] && return 0
		# The main module has nothing public: its tests are the only outsiders.
		[[ $file == tests/main/* && -e src/$header ]] && return 0
		refuse "a private header of another folder"
		;;
	esac
}

check_library() { # <x.h>
	local owner
	[[ $file == tests/* ]] && return 0
	for owner in "${!library[@]}"; do
		[[ $header =~ ^(${library[$owner]})$ && $module != "$owner" ]] &&
			refuse "only $owner may know that library"
	done
	return 0
}

seen=0
while IFS=: read -r file _ line; do
	seen=$((seen + 1))
	set_module
	if [[ $line =~ \"(.*)\" ]]; then
		header=${BASH_REMATCH[1]}
		case $header in
		tusfs/*) check_public ;;
		*) check_private ;;
		esac
	elif [[ $line =~ \<(.*)\> ]]; then
		header=${BASH_REMATCH[1]}
		check_library
	fi
done < <(find src include tests -name node_modules -prune -o -name '*.[ch]' -exec \
	grep -nHE '^[[:space:]]*#[[:space:]]*include' {} +)

[[ $seen -gt 0 ]] || { echo "no #include found"; exit 1; }
exit $status
