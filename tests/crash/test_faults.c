/* Every flow of the engine, with each allocation, each call on the disk and each write
 * of SQLite failing in turn, until none is left to fail: the failure comes out as one,
 * nothing leaks, the store is consistent, and trying again works. */
#include "engine.h"
#include "faulty.h"
#include "flows.h"
#include "invariants.h"

#include "descriptors.h"
#include "temp_dir.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define MOVES (FAULTY_READ | FAULTY_WRITE)

static const struct faulty_mode modes[] = {
	{"no memory, once", FAULTY_MEMORY, FAULTY_ONCE, ENOMEM, false},
	{"no memory any more", FAULTY_MEMORY, FAULTY_ON, ENOMEM, false},
	{"no descriptor", FAULTY_OPEN, FAULTY_ONCE, EMFILE, false},
	{"a bad disk, once", FAULTY_DISK, FAULTY_ONCE, EIO, false},
	{"a bad disk for good", FAULTY_DISK, FAULTY_ON, EIO, false},
	{"a full disk, once", FAULTY_WRITE | FAULTY_SYNC | FAULTY_NAME, FAULTY_ONCE,
	 ENOSPC, false},
	{"a full disk for good", FAULTY_WRITE, FAULTY_ON, ENOSPC, false},
	{"a signal", MOVES, FAULTY_ONCE, EINTR, true},
	{"a short write", FAULTY_WRITE, FAULTY_SHORT, 0, true},
};
#define MODES (sizeof(modes) / sizeof(modes[0]))

/* One try with a fault, and one without. Whether the fault came to pass. */
static bool try_with(const struct flow *flow, const struct faulty_mode *mode, int nth)
{
	int r, open_before;
	bool fired;

	flow->prepare();
	open_before = descriptors_open();
	faulty_arm(mode, nth);
	r = flow->run();
	fired = faulty_disarm();
	ck_assert_msg(r == 0 || (r < 0 && fired && !mode->harmless),
		      "%s, %s, call %d: %d", flow->name, mode->name, nth, r);
	ck_assert_msg(descriptors_open() == open_before, "%s, %s, call %d: descriptors",
		      flow->name, mode->name, nth);
	invariants_hold(temp_dir_path());
	if (r) {
		r = flow->run();
		ck_assert_msg(r == 0, "%s, %s, call %d, then again: %d", flow->name,
			      mode->name, nth, r);
	}
	flow->check();
	flows_clean();
	return fired;
}

START_TEST(every_flow_survives_every_fault)
{
	const struct flow *flow = &flows[_i / (int)MODES];
	const struct faulty_mode *mode = &modes[_i % (int)MODES];
	int nth = 0;

	while (try_with(flow, mode, nth))
		nth = faulty_next(nth, 16);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults");
	TCase *tcase = tcase_create("faults");
	SRunner *runner = srunner_create(suite);
	int failed;

	faulty_install();
	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, engine_setup, engine_teardown);
	tcase_add_loop_test(tcase, every_flow_survives_every_fault, 0,
			    (int)(flows_count * MODES));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
