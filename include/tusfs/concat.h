/* Upload-Concat (tus 1.0.0, Concatenation). Pure. */
#ifndef TUSFS_CONCAT_H
#define TUSFS_CONCAT_H

#include "tusfs/error.h"
#include "tusfs/id.h"

#include <stddef.h>

enum concat_kind { CONCAT_PARTIAL, CONCAT_FINAL };

#define CONCAT_PARTS_MAX 20000

/* Reads "partial" or "final;URL URL ...". For a final *parts holds the ids that the
 * URLs end with, in order, one for each URL; the caller frees it. URLs are absolute or
 * paths; each must end with /ID, or be just ID, and their path before the ID must be
 * `base_path`, such as "/files/" (any prefix may stand before that, since a proxy may
 * add one). Refusals: INVALID (malformed), PART (a URL that cannot be one of ours). */
MUST_CHECK int concat_parse(const char *text, const char *base_path,
			    enum concat_kind *kind, struct upload_id **parts,
			    size_t *count);

#endif
