#!/bin/bash
# Checks that clang-format would change nothing. Versions differ in what they make of the
# same settings, so only the one that the sources are formatted with is asked.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=14
tool=$(command -v clang-format-$version || command -v clang-format) ||
	{ echo "skipped: no clang-format"; exit 77; }
[[ $("$tool" --version) =~ version\ $version\. ]] ||
	{ echo "skipped: not clang-format $version"; exit 77; }

find src include tests -name node_modules -prune -o -name '*.[ch]' -print0 | xargs -0 "$tool" --dry-run -Werror
