#include "tusfs/clock.h"

#include "run.h"

START_TEST(now_is_this_century_in_microseconds)
{
	int64_t now = clock_now();

	ck_assert_int_gt(now, 1700000000 * CLOCK_SECOND);
	ck_assert_int_lt(now, 4102444800 * CLOCK_SECOND);
	ck_assert_int_le(now / CLOCK_SECOND, time(NULL));
}
END_TEST

START_TEST(monotonic_never_goes_back)
{
	int64_t previous = clock_monotonic(), next;

	for (int i = 0; i < 1000; i++, previous = next) {
		next = clock_monotonic();
		ck_assert_int_ge(next, previous);
	}
}
END_TEST

START_TEST(a_deadline_is_a_valid_time_ahead)
{
	int64_t before = clock_monotonic();
	struct timespec deadline;
	int64_t at;

	for (int64_t ahead = 0; ahead < 3 * CLOCK_SECOND; ahead += 99999) {
		deadline = clock_deadline(ahead);
		ck_assert_int_lt(deadline.tv_nsec, 1000000000);
		at = deadline.tv_sec * CLOCK_SECOND + deadline.tv_nsec / 1000;
		ck_assert_int_ge(at, before + ahead);
		ck_assert_int_le(at, clock_monotonic() + ahead);
	}
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		now_is_this_century_in_microseconds,
		monotonic_never_goes_back,
		a_deadline_is_a_valid_time_ahead,
	};

	return RUN_TESTS(tests, NULL, NULL);
}
