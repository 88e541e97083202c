/* A countdown to one failing call. A test program links with -Wl,--wrap=NAME (WRAP of
 * tusfs_test) and defines __wrap_NAME, which asks fault_now() first:
 *
 *     int __wrap_fsync(int fd)
 *     {
 *             return fault_now() ? -1 : __real_fsync(fd);
 *     }
 *
 * and the test fails each call in turn, until none is left to fail:
 *
 *     int nth = 0;
 *     do {
 *             fault_arm(nth++, EIO);
 *             r = what_is_tested();
 *     } while (fault_fired());
 */
#ifndef SUPPORT_FAULT_H
#define SUPPORT_FAULT_H

#include <stdbool.h>

/* From now on the call number `nth`, counted from 0, fails once with `error`. */
void fault_arm(int nth, int error);
/* Ends the countdown; whether it came to its end. */
bool fault_fired(void);
/* Whether the call that asks must fail; errno is set then. Thread-safe. */
bool fault_now(void);

#endif
