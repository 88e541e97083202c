#!/bin/bash
# Refuses functions that have no safe use, and files that have grown too long.
# Usage: banned.sh [ROOT]
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

lines_max=500
# Copies without a bound; parsers without errors; static buffers; shells; weak randomness.
banned="strcpy|stpcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|scanf|sscanf|fscanf"
banned+="|atoi|atol|atoll|atof"
banned+="|strtok|asctime|ctime|gmtime|localtime|ttyname|basename|dirname|readdir_r"
banned+="|tmpnam|tempnam|mktemp|system|popen|alloca|rand|srand|random|srandom"
banned+="|setjmp|longjmp|usleep"

status=0
files=$(find src include -name '*.[ch]' -o -name '*.def' | sort)
[[ -n $files ]] || { echo "no files found"; exit 1; }

# A name in front of "(" that no letter, digit, dot or arrow precedes, outside comments.
for file in $files; do
	if sed -E 's@/\*.*\*/@@; s@^[[:space:]]*(/?\*).*@@; s@//.*@@' "$file" |
		grep -nE "(^|[^A-Za-z0-9_.>])($banned)[[:space:]]*\(" |
		sed "s@^@$file:@"; then
		status=1
	fi
	lines=$(wc -l <"$file")
	if [[ $lines -gt $lines_max ]]; then
		echo "$file: $lines lines, $lines_max at most"
		status=1
	fi
done
exit $status
