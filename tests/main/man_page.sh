#!/bin/bash
# The man page is well-formed, and has exactly the options that --help has.
set -euo pipefail
: "${TUSFS:?the path of the daemon}"
page=$(cd "$(dirname "$0")/../../docs" && pwd)/tusfs.8
command -v mandoc >/dev/null || { echo "there is no mandoc" && exit 77; }

mandoc -Tlint -W warning "$page"

# From --help: "--name ARGUMENT", "-o name=ARGUMENT", "-f", "-h, --help".
help=$("$TUSFS" --help | sed -nE \
	-e 's/^  -(-[a-z-]+)( [A-Z][^ ]*)? .*/-\1\2/p' \
	-e 's/^  (-o [a-z_]+(=[A-Z]+)?) .*/\1/p' \
	-e 's/^  (-[a-zA-Z])(, (--[a-z]+))? .*/\1 \3/p' | tr ' ' '\n' | grep . | sort)
man=$(mandoc -Tascii "$page" | sed 's/.\x08//g' | sed -n '/^OPTIONS/,/^THE MOUNT/p' |
	sed -nE 's/^     (-[^ ].*)/\1/p' | sed -e 's/  .*//' -e 's/,//g' |
	tr ' ' '\n' | grep . | sort)

diff <(echo "$help") <(echo "$man") || { echo "--help (<) and tusfs.8 (>) differ" && exit 1; }
echo "$help" | grep -q -- --listen
