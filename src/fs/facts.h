/* What tusfs tells of an upload in extended attributes. Pure. */
#ifndef TUSFS_FS_FACTS_H
#define TUSFS_FS_FACTS_H

#include "tusfs/error.h"
#include "tusfs/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Whether the name, in user.*, is ours and not the user's. */
bool fact_is_reserved(const char *name);
/* The value of a reserved name; the caller frees it. `base_path` is that of the HTTP
 * door. Refusals: NOT_FOUND (the upload has no such fact). */
MUST_CHECK int fact_get(const struct file *file, const char *base_path,
			const char *name, char **value, size_t *size);
/* Writes the names of the facts of the upload, each with its NUL, but for... */
MUST_CHECK int fact_list(const struct file *file, const char *base_path, FILE *out);
/* ...those that its metadata gives. */
void fact_list_metadata(const struct file *file, FILE *out);

#endif
