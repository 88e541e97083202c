/* Which folders of complete/ were removed and can come back.
 *
 * rmdir takes a folder out of complete/ while uploads still arrive in it; with the
 * first that finishes it is there again, under the same number. But the kernel never
 * revives the inode of a removed folder, and as long as anybody is in it or watches it
 * would give that one to all who look. A new generation makes it a new inode. They need
 * not outlive the mount. Thread-safe; the mutex is held over nothing else. */
#ifndef TUSFS_FS_GENERATIONS_H
#define TUSFS_FS_GENERATIONS_H

#include "tusfs/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct generation {
	uint64_t num;
	uint64_t times; /* that it was removed */
};

struct generations {
	atomic_size_t count; /* read without the mutex: nearly always 0 */
	pthread_mutex_t mutex;
	struct generation *entries; /* `count` of them; the mutex protects it */
	size_t room;
};

void generations_init(struct generations *generations);
void generations_deinit(struct generations *generations);

/* Begins a new generation of a folder. When memory is short the old one goes on. */
void generations_next(struct generations *generations, uint64_t num);
/* 0 for all that never were removed. */
uint64_t generations_of(struct generations *generations, uint64_t num);

#endif
