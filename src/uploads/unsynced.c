/* Blobs that stay open between two appends with SYNC_FINISH. What the kernel fails to
 * write out in the meantime is told to who has the file open, and to nobody once it has
 * forgotten the file (fsync(2), NOTES): the sync that finishes the upload would say
 * that all is well. For whom there is no place any more is synced instead. */
#include "engine.h"

#include "tusfs/log.h"

#include <errno.h>

#define PLACES_MAX 4096

struct unsynced_place {
	uint64_t num;
	struct blob *blob; /* NULL: free */
};

struct unsynced {
	pthread_mutex_t mutex; /* protects the rest */
	size_t count, next;    /* places; which one is given away next */
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

/* A free place, or the one that has been held for longest. */
static struct unsynced_place *find_place(struct unsynced *unsynced)
{
	for (size_t i = 0; i < unsynced->count; i++) {
		struct unsynced_place *place = &unsynced->places[unsynced->next];

		if (!place->blob)
			return place;
		unsynced->next = (unsynced->next + 1) % unsynced->count;
	}
	return &unsynced->places[unsynced->next];
}

/* Puts *held in a place; it becomes what was there before. */
static void exchange(struct unsynced *unsynced, struct unsynced_place *held)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&unsynced->mutex);
	struct unsynced_place *place, before;

	if (!unsynced->count)
		return;
	place = find_place(unsynced);
	before = *place;
	*place = *held;
	*held = before;
	unsynced->next = (unsynced->next + 1) % unsynced->count;
}

static void give_up(struct uploads *uploads, uint64_t num)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);
	SCOPED(file_release) struct file file = {0};
	int r = catalog_file(conn, num, &file);

	if (!r && mark_broken(uploads, &file, "its bytes could not be synced") < 0)
		log_error("upload %s should have been marked", file.name.text);
}

void unsynced_keep(struct uploads *uploads, uint64_t num, struct blob *blob)
{
	struct unsynced_place held = {num, blob};

	exchange(uploads->unsynced, &held);
	if (held.blob && blob_sync(held.blob))
		give_up(uploads, held.num);
	blob_unref(held.blob);
}

struct blob *unsynced_take(struct uploads *uploads, uint64_t num)
{
	struct unsynced *unsynced = uploads->unsynced;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&unsynced->mutex);

	for (size_t i = 0; i < unsynced->count; i++) {
		struct unsynced_place *place = &unsynced->places[i];

		if (place->blob && place->num == num)
			return STEAL(place->blob);
	}
	return NULL;
}
