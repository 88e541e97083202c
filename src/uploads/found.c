/* Uploads that were looked up a moment ago: clients ask for the same ones again and
 * again, to see how far they are. An upload is kept with the version of the catalog in
 * which it was found, and holds for as long as that is the version. A few at a time, by
 * id. */
#include "engine.h"

#include <errno.h>
#include <string.h>

#define PLACES 4096
/* Others are not kept, so that it is all below 6 MiB. */
#define KEPT_TEXT_MAX 512

struct found {
	pthread_mutex_t mutex;
	struct {
		struct file file; /* num 0: none */
		uint64_t version;
	} places[PLACES];
};

int found_new(struct found **found)
{
	struct found *made = calloc(1, sizeof(*made));

	if (!made)
		return failure(-ENOMEM, "start the engine");
	pthread_mutex_init(&made->mutex, NULL);
	*found = made;
	return 0;
}

struct found *found_free(struct found *found)
{
	if (!found)
		return NULL;
	for (size_t i = 0; i < PLACES; i++)
		file_release(&found->places[i].file);
	pthread_mutex_destroy(&found->mutex);
	free(found);
	return NULL;
}

static size_t place_of(struct upload_id id)
{
	uint64_t hash;

	memcpy(&hash, id.bytes, sizeof(hash)); /* ids are random as they are */
	return hash % PLACES;
}

bool found_get(struct found *found, struct upload_id id, uint64_t version,
	       struct file *file)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&found->mutex);
	size_t place = place_of(id);
	const struct file *kept = &found->places[place].file;

	return kept->num && found->places[place].version == version &&
	       memcmp(&kept->id, &id, sizeof(id)) == 0 && !file_copy(kept, file);
}

static bool is_too_long(const char *text)
{
	return text && strlen(text) > KEPT_TEXT_MAX;
}

void found_put(struct found *found, uint64_t version, const struct file *file)
{
	SCOPED(file_release) struct file copy = {0};
	size_t place = place_of(file->id);

	if (is_too_long(file->metadata) || is_too_long(file->concat) ||
	    file_copy(file, &copy))
		return;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&found->mutex);
	struct file before = found->places[place].file;

	found->places[place].file = copy;
	found->places[place].version = version;
	copy = before; /* to be released */
}
