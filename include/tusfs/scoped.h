/* Cleanup at the end of a scope. SCOPED(fn) before a declaration calls fn(&variable)
 * when the variable goes out of scope; STEAL(p) hands a pointer over and leaves NULL.
 */
#ifndef TUSFS_SCOPED_H
#define TUSFS_SCOPED_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* "unused", since clang does not count the cleanup as a use of a lock. */
#define SCOPED(fn) __attribute__((cleanup(fn), unused))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format, first)                                                     \
	__attribute__((__format__(__printf__, format, first)))
#define STEAL(p)                                                                       \
	({                                                                             \
		__typeof__(p) *steal_from = &(p);                                      \
		__typeof__(p) stolen = *steal_from;                                    \
		*steal_from = NULL;                                                    \
		stolen;                                                                \
	})

/* For SCOPED(scoped_free) on a pointer of any type that malloc made. */
static inline void scoped_free(void *p)
{
	free(*(void **)p);
}

/* For SCOPED(scoped_close) on an int that holds a descriptor or -1. */
static inline void scoped_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Takes a mutex until the end of the scope:
 * SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&x->mutex); */
static inline pthread_mutex_t *scoped_lock(pthread_mutex_t *mutex)
{
	pthread_mutex_lock(mutex);
	return mutex;
}

static inline void scoped_unlock(pthread_mutex_t **mutex)
{
	pthread_mutex_unlock(*mutex);
}

#endif
