/* Blobs that stay open between two appends with SYNC_FINISH. The kernel reports a write
 * that failed later only to a descriptor that was open then (fsync(2), NOTES): without
 * one, the sync that finishes the upload would say that all is well. */
#include "engine.h"

#include <errno.h>

#define PLACES_MAX 4096

struct unsynced_place {
	uint64_t num;
	struct blob *blob; /* NULL: free */
};

struct unsynced {
	pthread_mutex_t mutex; /* protects the rest */
	size_t count;
	struct unsynced_place places[];
};

int unsynced_new(uint64_t count, struct unsynced **unsynced)
{
	size_t places = count < PLACES_MAX ? (size_t)count : PLACES_MAX;
	struct unsynced *made =
		calloc(1, sizeof(*made) + places * sizeof(made->places[0]));

	if (!made)
		return failure(-ENOMEM, "start the engine");
	pthread_mutex_init(&made->mutex, NULL);
	made->count = places;
	*unsynced = made;
	return 0;
}

struct unsynced *unsynced_free(struct unsynced *unsynced)
{
	if (!unsynced)
		return NULL;
	for (size_t i = 0; i < unsynced->count; i++)
		blob_unref(unsynced->places[i].blob);
	pthread_mutex_destroy(&unsynced->mutex);
	free(unsynced);
	return NULL;
}

bool unsynced_keep(struct unsynced *unsynced, uint64_t num, struct blob *blob)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&unsynced->mutex);

	for (size_t i = 0; i < unsynced->count; i++) {
		struct unsynced_place *place = &unsynced->places[i];

		if (place->blob)
			continue;
		*place = (struct unsynced_place){num, blob};
		return true;
	}
	return false;
}

struct blob *unsynced_take(struct unsynced *unsynced, uint64_t num)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&unsynced->mutex);

	for (size_t i = 0; i < unsynced->count; i++) {
		struct unsynced_place *place = &unsynced->places[i];

		if (place->blob && place->num == num)
			return STEAL(place->blob);
	}
	return NULL;
}

static bool settle(struct uploads *uploads, const struct unsynced_place *place)
{
	SCOPED(file_release) struct file file = {0};

	if (!blob_sync(place->blob))
		return true;
	return blob_is_lost(place->blob) &&
	       uploads_stat(uploads, place->num, &file) == 0 &&
	       mark_broken(uploads, &file, "its bytes could not be synced") >= 0;
}

bool unsynced_settle(struct uploads *uploads)
{
	struct unsynced *unsynced = uploads->unsynced;
	bool all = true;

	for (size_t i = 0; i < unsynced->count; i++)
		if (unsynced->places[i].blob)
			all = settle(uploads, &unsynced->places[i]) && all;
	return all;
}
