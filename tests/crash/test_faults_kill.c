/* Every flow of the engine, in a process that is killed before each call on the disk in
 * turn: the next start repairs, the store is consistent, and trying again works. */
#include "engine.h"
#include "faulty.h"
#include "flows.h"
#include "invariants.h"

#include "temp_dir.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct faulty_mode killed = {
	"kill", FAULTY_WRITE | FAULTY_SYNC | FAULTY_NAME, FAULTY_KILL, 0, false};

/* Runs the flow in a child that dies before its call number `nth`. False when it came
 * to its end before. */
static bool die_in(const struct flow *flow, int nth)
{
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (!child) {
		int r;

		engine_open();
		faulty_arm(&killed, nth);
		r = flow->run();
		engine_close();
		_exit(r ? 1 : 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return true;
	ck_assert_msg(status == 0, "%s, call %d", flow->name, nth);
	return false;
}

START_TEST(every_flow_survives_a_kill_at_every_call)
{
	const struct flow *flow = &flows[_i];
	bool died;
	int nth = 0;

	do {
		flow->prepare();
		engine_close();
		died = die_in(flow, nth);
		engine_open();
		invariants_hold(temp_dir_path());
		/* a refusal: it had been done, and the answer was killed */
		if (died)
			ck_assert_msg(flow->run() >= 0, "%s, call %d", flow->name, nth);
		if (died && !flow->makes)
			flow->check();
		flows_clean();
		nth = faulty_next(nth, 12);
	} while (died);
	ck_assert_int_gt(nth, 1);
}
END_TEST

static const struct faulty_mode sync_fails = {"a sync that fails", FAULTY_SYNC,
					      FAULTY_ONCE, EIO, false};

#define HALF 100000

/* In a child: an append with a sync that fails, the begin of another one, which cuts
 * off what the first has left, and a kill. Whether it came to the fault. */
static bool fail_and_die(const struct file *file, const uint8_t *bytes, int nth)
{
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (!child) {
		struct upload_append append = {.offset = HALF};
		struct upload_writer *writer;
		bool fired;
		int r;

		engine_open();
		faulty_arm(&sync_fails, nth);
		r = engine_try_append(file->id, HALF, bytes + HALF, HALF / 2);
		fired = faulty_disarm();
		if (r < 0 && upload_writer_open(engine, file->id, &append, &writer))
			_exit(2);
		_exit(fired);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 1;
}

/* What could not be synced is in the catalog's log all the same. */
START_TEST(a_commit_that_failed_does_not_count_after_a_kill)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(2 * HALF, 1);
	bool fired = true;

	for (int nth = 0; fired; nth++) {
		struct file file = engine_create(FILE_PLAIN, "x", 2 * HALF), found;

		engine_append(file.id, 0, bytes, HALF);
		engine_close();
		fired = fail_and_die(&file, bytes, nth);
		engine_open();
		invariants_hold(temp_dir_path());
		found = engine_find(file.id);
		engine_append(file.id, found.offset, bytes + found.offset,
			      2 * HALF - found.offset);
		engine_expect(file.num, bytes, 2 * HALF);
		file_release(&found);
		file_release(&file);
		ck_assert(fired || nth > 1);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults");
	TCase *tcase = tcase_create("kill");
	SRunner *runner = srunner_create(suite);
	int failed;

	faulty_install();
	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, engine_setup, engine_teardown);
	tcase_add_loop_test(tcase, every_flow_survives_a_kill_at_every_call, 0,
			    (int)flows_count);
	tcase_add_test(tcase, a_commit_that_failed_does_not_count_after_a_kill);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
