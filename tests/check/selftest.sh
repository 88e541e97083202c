#!/bin/bash
# Tests the other checks: each must pass a good tree, and refuse what it is there to refuse.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

failed=0

plant() { # FILE LINE
	[[ -d $tree/${1%/*} ]] || mkdir -p "$tree/${1%/*}"
	printf '%s\n' "$2" >"$tree/$1"
}

good_tree() {
	plant include/tusfs/uploads.h '#include "tusfs/error.h"'
	plant include/tusfs/http.h '#include "tusfs/uploads.h"'
	plant src/base/text.c '#include <unistr.h>'
	plant src/store/layout.h '#include "tusfs/store.h"'
	plant src/store/store.c '#include "layout.h"'
	plant src/catalog/rows.c '#include <sqlite3.h>'
	plant src/uploads/writer.c '#include "tusfs/catalog.h"'
	plant src/http/server.c '#include <microhttpd.h>'
	plant src/fs/ops.c '#include <fuse_lowlevel.h>'
	plant src/main.c '#include "tusfs/http.h"'
	plant tests/support/run.h '#include <unistd.h>'
	plant tests/unit/test_store.c '#include "run.h"'
}

plant_in_good_tree() { # FILE LINE; the file is taken away, or as it was, in the next tree
	if [[ -n ${planted:-} ]]; then
		rm "$tree/$planted"
		good_tree
	fi
	planted=$1
	plant "$1" "$2"
}

refuses() { # SCRIPT FILE LINE
	plant_in_good_tree "$2" "$3"
	if "$here/$1" "$tree" >/dev/null; then
		echo "$1 lets pass: $2: $3"
		failed=1
	fi
}

passes() { # SCRIPT FILE LINE
	plant_in_good_tree "$2" "$3"
	"$here/$1" "$tree" || { echo "$1 refuses: $2: $3"; failed=1; }
}

good_tree
passes arrows.sh src/uploads/x.c '#include "tusfs/store.h"'
passes arrows.sh src/fs/x.c '#include "tusfs/uploads.h"'
passes arrows.sh src/catalog/x.c '#include "tusfs/name.h"'
passes arrows.sh tests/unit/test_x.c '#include "tusfs/store.h"'
refuses arrows.sh src/http/x.c '#include "tusfs/fs.h"'
refuses arrows.sh src/http/x.c '#include "tusfs/catalog.h"'
refuses arrows.sh src/http/x.c '#include "tusfs/store.h"'
refuses arrows.sh src/http/x.c '# include <sqlite3.h>'
refuses arrows.sh src/fs/x.c '#include "tusfs/http.h"'
refuses arrows.sh src/fs/x.h '#include "tusfs/store.h"'
refuses arrows.sh src/fs/x.c '#include <microhttpd.h>'
refuses arrows.sh src/uploads/x.c '#include "tusfs/http.h"'
refuses arrows.sh src/uploads/x.c '#include "tusfs/fs.h"'
refuses arrows.sh src/uploads/x.c '#include <sqlite3.h>'
refuses arrows.sh src/uploads/x.c '#include <fuse3/fuse_lowlevel.h>'
refuses arrows.sh src/catalog/x.c '#include "tusfs/store.h"'
refuses arrows.sh src/store/x.c '#include "tusfs/catalog.h"'
refuses arrows.sh src/base/x.c '#include "tusfs/store.h"'
refuses arrows.sh src/store/x.c '#include <openssl/evp.h>'
passes arrows.sh src/http/x.c '#include "tusfs/http_text.h"'
refuses arrows.sh src/fs/x.c '#include "tusfs/http_text.h"'
passes arrows.sh src/main.c '#include <ini.h>'
refuses arrows.sh src/main.c '#include "tusfs/catalog.h"'
refuses arrows.sh src/main.c '#include "store/layout.h"'
refuses arrows.sh src/uploads/x.c '#include "../store/layout.h"'
refuses arrows.sh src/uploads/x.c '#include "layout.h"'
refuses arrows.sh tests/unit/test_x.c '#include "layout.h"'
refuses arrows.sh include/tusfs/uploads.h '#include "tusfs/catalog.h"'
refuses arrows.sh include/tusfs/http.h '#include "tusfs/store.h"'

passes banned.sh src/base/x.c '	my_strcpy(a, b);'
passes banned.sh src/base/x.c '/* never strcpy(a, b) */'
passes banned.sh src/base/x.c '	queue->system(a);'
refuses banned.sh src/base/x.c '	strcpy(a, b);'
refuses banned.sh src/base/x.c 'x = atoi (a);'
refuses banned.sh src/base/x.h 'if (sprintf(a, "b"))'
refuses banned.sh src/base/x.c "$(yes | head -501)"

exit $failed
