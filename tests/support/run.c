#include "run.h"

#include <errno.h>
#include <stdlib.h>

int run_tests(const TTest *const tests[], size_t count, void (*setup)(void),
	      void (*teardown)(void), double seconds)
{
	Suite *suite = suite_create(program_invocation_short_name);
	SRunner *runner = srunner_create(suite);
	TCase *tcase;
	int failed;

	for (size_t i = 0; i < count; i++) {
		tcase = tcase_create(tests[i]->name);
		tcase_set_timeout(tcase, seconds);
		tcase_add_checked_fixture(tcase, setup, teardown);
		tcase_add_test(tcase, tests[i]);
		suite_add_tcase(suite, tcase);
	}
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
