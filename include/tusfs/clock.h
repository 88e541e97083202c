/* Time. Tests own it with -Wl,--wrap=clock_now. Thread-safe. */
#ifndef TUSFS_CLOCK_H
#define TUSFS_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_SECOND INT64_C(1000000)

/* The wall clock, in microseconds since the epoch. */
int64_t clock_now(void);
/* A clock that only goes forward, in microseconds. */
int64_t clock_monotonic(void);
/* The CLOCK_MONOTONIC time `microseconds` from now, for pthread_cond_clockwait(). */
struct timespec clock_deadline(int64_t microseconds);

#endif
