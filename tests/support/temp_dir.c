#include "temp_dir.h"

#include "descriptors.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char *path;
static int descriptors_before;

void temp_dir_setup(void)
{
	const char *parent = getenv("TMPDIR");

	ck_assert_int_ge(
		asprintf(&path, "%s/tusfs-test-XXXXXX", parent ? parent : "/tmp"), 0);
	ck_assert_ptr_nonnull(mkdtemp(path));
	descriptors_before = descriptors_open();
}

static int remove_one(const char *name, const struct stat *found, int type,
		      struct FTW *place)
{
	return remove(name);
}

void temp_dir_teardown(void)
{
	int descriptors = descriptors_open();

	ck_assert_int_eq(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(path);
	ck_assert_int_eq(descriptors, descriptors_before);
}

const char *temp_dir_path(void)
{
	return path;
}

char *temp_dir_join(const char *name)
{
	char *joined;

	ck_assert_int_ge(asprintf(&joined, "%s/%s", path, name), 0);
	return joined;
}
