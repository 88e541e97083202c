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

[[ -n $(find src include -name '*.[ch]' -print -quit) ]] || { echo "no files found"; exit 1; }

# A name in front of "(" that no letter, digit, dot or arrow precedes, outside comments.
find src include \( -name '*.[ch]' -o -name '*.def' \) -exec awk \
	-v pattern="(^|[^A-Za-z0-9_.>])($banned)[ \t]*[(]" -v most=$lines_max '
	{
		code = $0
		gsub(/\/\*.*\*\//, "", code)
		sub(/^[ \t]*\/?\*.*/, "", code)
		sub(/\/\/.*/, "", code)
		lines[FILENAME]++
	}
	code ~ pattern {
		print FILENAME ":" FNR ": " $0
		bad = 1
	}
	END {
		for (file in lines)
			if (lines[file] > most) {
				print file ": " lines[file] " lines, " most " at most"
				bad = 1
			}
		exit bad
	}' {} +
