#!/bin/bash
# Every test that docs/CONFORMANCE.md names exists, in the file it names.
set -euo pipefail
cd "$(dirname "$0")/../.."
status=0
names=$(grep '^|' docs/CONFORMANCE.md | sed 's/ *|$//; s/.*| //' |
	tr ';' '\n' | grep -oE '^ *[a-z]+: .*') || true
[ "$(wc -l <<<"$names")" -gt 50 ] || { echo "too few tests are named"; exit 1; }
while IFS=: read -r file tests; do
	for test in ${tests//,/ }; do
		grep -q "^START_TEST($test)" "tests/http/test_http_${file// /}.c" && continue
		echo "docs/CONFORMANCE.md: $file: $test does not exist"
		status=1
	done
done <<<"$names"
exit $status
