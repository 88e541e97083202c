#include "blobs.h"

#include "temp_dir.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct store *open_store(void)
{
	SCOPED(scoped_free) char *path = temp_dir_join("store");
	struct store *store = NULL;

	ck_assert_int_eq(store_open(path, &store), 0);
	ck_assert_ptr_nonnull(store);
	return store;
}

struct blob *create_blob(struct store *store, uint64_t num)
{
	struct blob *blob = NULL;

	ck_assert_int_eq(blob_create(store, num, &blob), 0);
	ck_assert_ptr_nonnull(blob);
	return blob;
}

void expect_bytes(struct blob *blob, const void *bytes, size_t size, uint64_t offset)
{
	SCOPED(scoped_free) char *read = malloc(size + 1);
	size_t got;

	ck_assert_int_eq(blob_read(blob, read, size + 1, offset, &got), 0);
	ck_assert_uint_eq(got, size);
	ck_assert(memcmp(read, bytes, size) == 0);
}
