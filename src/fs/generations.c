#include "generations.h"

#include <stdlib.h>
#include <string.h>

void generations_init(struct generations *generations)
{
	memset(generations, 0, sizeof(*generations));
	pthread_mutex_init(&generations->mutex, NULL);
}

void generations_deinit(struct generations *generations)
{
	free(generations->entries);
	pthread_mutex_destroy(&generations->mutex);
}

/* NULL when it is not there; entries are few. */
static struct generation *find(struct generations *generations, uint64_t num)
{
	for (size_t i = 0; i < generations->count; i++)
		if (generations->entries[i].num == num)
			return &generations->entries[i];
	return NULL;
}

static struct generation *add(struct generations *generations, uint64_t num)
{
	size_t room = generations->room ? generations->room * 2 : 16;
	struct generation *entries;

	if (generations->count == generations->room) {
		entries = reallocarray(generations->entries, room, sizeof(*entries));
		if (!entries)
			return NULL;
		generations->entries = entries;
		generations->room = room;
	}
	generations->entries[generations->count] = (struct generation){.num = num};
	return &generations->entries[generations->count++];
}

void generations_next(struct generations *generations, uint64_t num)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&generations->mutex);
	struct generation *found = find(generations, num);

	if (!found)
		found = add(generations, num);
	if (found)
		found->times++;
}

uint64_t generations_of(struct generations *generations, uint64_t num)
{
	struct generation *found;

	if (atomic_load(&generations->count) == 0)
		return 0;
	SCOPED(scoped_unlock)
	pthread_mutex_t *lock = scoped_lock(&generations->mutex);
	found = find(generations, num);
	return found ? found->times : 0;
}
