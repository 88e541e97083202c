/* Named moments between two steps of which a power cut must not see one without the
 * other. They exist only in a build with TUSFS_FAULT_POINTS, in which a test can stop
 * the process there (tests/crash); in all others there is nothing of them. */
#ifndef TUSFS_FAULT_POINT_H
#define TUSFS_FAULT_POINT_H

#ifdef TUSFS_FAULT_POINTS
/* Comes back unless a test asked for this moment. Thread-safe. */
void fault_point(const char *name);
#else
static inline void fault_point(const char *name)
{
	(void)name;
}
#endif

#endif
