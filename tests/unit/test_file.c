#include "tusfs/file.h"

#include "run.h"

#include <string.h>

START_TEST(release_frees_what_is_owned_and_zeroes_the_rest)
{
	static const struct file zero;
	struct file file = {.num = 17, .offset = 5, .kind = FILE_FINAL};

	file.metadata = strdup("filename YQ==");
	file.concat = strdup("partial");
	file_release(&file);
	ck_assert_mem_eq(&file, &zero, sizeof(file));
	file_release(&file); /* again is harmless */
}
END_TEST

START_TEST(a_file_is_complete_when_it_was_finished)
{
	struct file file = {.kind = FILE_PLAIN};

	ck_assert(!file_is_complete(&file));
	ck_assert(!file_is_folder(&file));
	file.finished = 1;
	ck_assert(file_is_complete(&file));
	file.kind = FILE_FOLDER;
	ck_assert(file_is_folder(&file));
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		release_frees_what_is_owned_and_zeroes_the_rest,
		a_file_is_complete_when_it_was_finished,
	};

	return RUN_TESTS(tests, NULL, NULL);
}
