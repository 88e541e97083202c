/* A store in the temporary folder, and blobs in it: for tests. Every call asserts that
 * it succeeds; the caller closes what it is given. */
#ifndef SUPPORT_BLOBS_H
#define SUPPORT_BLOBS_H

#include "tusfs/store.h"

/* The one named "store". */
struct store *open_store(void);
struct blob *create_blob(struct store *store, uint64_t num);
/* Asserts that the blob ends with exactly these bytes. */
void expect_bytes(struct blob *blob, const void *bytes, size_t size, uint64_t offset);

#endif
