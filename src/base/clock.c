#include "tusfs/clock.h"

static int64_t microseconds_of(const struct timespec *time)
{
	return time->tv_sec * CLOCK_SECOND + time->tv_nsec / 1000;
}

int64_t clock_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return microseconds_of(&time);
}

int64_t clock_monotonic(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return microseconds_of(&time);
}

struct timespec clock_deadline(int64_t microseconds)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += microseconds / CLOCK_SECOND;
	time.tv_nsec += microseconds % CLOCK_SECOND * 1000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_sec++;
		time.tv_nsec -= 1000000000;
	}
	return time;
}
