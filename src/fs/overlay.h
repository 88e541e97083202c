/* Uploads whose completion is being published.
 *
 * The catalog moves an upload to complete/ at its commit; the mount does so when the
 * publisher's rename(2) comes by, since a rename of what is already there makes no
 * event. From before the commit until that rename the upload is noted here, and all
 * lookups and listings show it where it was. Thread-safe; its mutex is held over
 * nothing else. */
#ifndef TUSFS_FS_OVERLAY_H
#define TUSFS_FS_OVERLAY_H

#include "tusfs/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct overlay_entry {
	uint64_t num;
	uint64_t parent;
};

struct overlay {
	atomic_size_t count; /* read without the mutex: nearly always 0 */
	pthread_mutex_t mutex;
	struct overlay_entry *entries; /* `count` of them; the mutex protects it */
	size_t room;
};

void overlay_init(struct overlay *overlay);
void overlay_deinit(struct overlay *overlay);

/* Notes an upload; twice is no error. When memory is short it is not noted: then it is
 * published without an event. */
void overlay_add(struct overlay *overlay, uint64_t num, uint64_t parent);
void overlay_remove(struct overlay *overlay, uint64_t num);
bool overlay_has(struct overlay *overlay, uint64_t num);

/* Copies of the entries, in the order of num; the caller frees them. NULL and 0 when
 * there are none. */
struct overlay_entry *overlay_copy(struct overlay *overlay, size_t *count);

#endif
