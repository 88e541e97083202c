/* The main() of a test program:
 *
 *     int main(void)
 *     {
 *             const TTest *tests[] = { one_sentence, another_sentence };
 *
 *             return RUN_TESTS(tests, temp_dir_setup, temp_dir_teardown);
 *     }
 */
#ifndef SUPPORT_RUN_H
#define SUPPORT_RUN_H

#include <check.h>
#include <stddef.h>

/* Runs each test between `setup` and `teardown`, which may be NULL, for at most
 * `seconds`; returns main()'s status. CK_RUN_CASE=NAME runs one of them. */
int run_tests(const TTest *const tests[], size_t count, void (*setup)(void),
	      void (*teardown)(void), double seconds);

#define RUN_TESTS_FOR(tests, setup, teardown, seconds)                                 \
	run_tests(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown, seconds)
#define RUN_TESTS(tests, setup, teardown) RUN_TESTS_FOR(tests, setup, teardown, 60)

#endif
