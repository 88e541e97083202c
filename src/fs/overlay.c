#include "overlay.h"

#include <stdlib.h>
#include <string.h>

void overlay_init(struct overlay *overlay)
{
	memset(overlay, 0, sizeof(*overlay));
	pthread_mutex_init(&overlay->mutex, NULL);
}

void overlay_deinit(struct overlay *overlay)
{
	free(overlay->entries);
	pthread_mutex_destroy(&overlay->mutex);
}

/* Where `num` is, or would be: entries are few, and in the order of num. */
static size_t position_of(const struct overlay *overlay, uint64_t num)
{
	size_t at = 0;

	while (at < overlay->count && overlay->entries[at].num < num)
		at++;
	return at;
}

static bool is_at(const struct overlay *overlay, size_t at, uint64_t num)
{
	return at < overlay->count && overlay->entries[at].num == num;
}

static bool grow(struct overlay *overlay)
{
	size_t room = overlay->room ? overlay->room * 2 : 16;
	struct overlay_entry *entries;

	if (overlay->count < overlay->room)
		return true;
	entries = reallocarray(overlay->entries, room, sizeof(*entries));
	if (!entries)
		return false;
	overlay->entries = entries;
	overlay->room = room;
	return true;
}

void overlay_add(struct overlay *overlay, uint64_t num, uint64_t parent)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&overlay->mutex);
	size_t at = position_of(overlay, num);

	if (is_at(overlay, at, num) || !grow(overlay))
		return;
	memmove(&overlay->entries[at + 1], &overlay->entries[at],
		(overlay->count - at) * sizeof(overlay->entries[0]));
	overlay->entries[at] = (struct overlay_entry){num, parent};
	overlay->count++;
}

void overlay_remove(struct overlay *overlay, uint64_t num)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&overlay->mutex);
	size_t at = position_of(overlay, num);

	if (!is_at(overlay, at, num))
		return;
	overlay->count--;
	memmove(&overlay->entries[at], &overlay->entries[at + 1],
		(overlay->count - at) * sizeof(overlay->entries[0]));
}

bool overlay_has(struct overlay *overlay, uint64_t num)
{
	if (atomic_load(&overlay->count) == 0)
		return false;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&overlay->mutex);
	return is_at(overlay, position_of(overlay, num), num);
}

struct overlay_entry *overlay_copy(struct overlay *overlay, size_t *count)
{
	struct overlay_entry *copy;

	*count = 0;
	if (atomic_load(&overlay->count) == 0)
		return NULL;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&overlay->mutex);
	copy = reallocarray(NULL, overlay->count + 1, sizeof(*copy));
	if (!copy)
		return NULL;
	memcpy(copy, overlay->entries, overlay->count * sizeof(*copy));
	*count = overlay->count;
	return copy;
}
