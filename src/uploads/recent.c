/* Uploads that were created a moment ago. Mostly their first append follows at once,
 * and finds here what it would have to ask the catalog for, on a connection that has to
 * read its pages again after each commit.
 *
 * An upload is put here before its creation is committed, when nobody else can know of
 * it, and taken out by the first who claims it: nothing here is ever out of date. A few
 * at a time; one that is lost costs only that question. */
#include "engine.h"

#include <errno.h>
#include <string.h>

#define PLACES 1024
/* Others are not kept, so that it is all below 3 MiB. */
#define KEPT_TEXT_MAX 2048

struct recent {
	pthread_mutex_t mutex;
	struct file files[PLACES]; /* by id; num 0: none */
};

int recent_new(struct recent **recent)
{
	struct recent *made = calloc(1, sizeof(*made));

	if (!made)
		return failure(-ENOMEM, "start the engine");
	pthread_mutex_init(&made->mutex, NULL);
	*recent = made;
	return 0;
}

struct recent *recent_free(struct recent *recent)
{
	if (!recent)
		return NULL;
	for (size_t i = 0; i < PLACES; i++)
		file_release(&recent->files[i]);
	pthread_mutex_destroy(&recent->mutex);
	free(recent);
	return NULL;
}

static struct file *place_of(struct recent *recent, struct upload_id id)
{
	uint64_t hash;

	memcpy(&hash, id.bytes, sizeof(hash)); /* ids are random as they are */
	return &recent->files[hash % PLACES];
}

/* Puts `file` into a place, and what was there into `file`. */
static void exchange(struct recent *recent, struct file *place, struct file *file)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&recent->mutex);
	struct file there = *place;

	*place = *file;
	*file = there;
}

void recent_put(struct recent *recent, const struct file *file)
{
	SCOPED(file_release) struct file copy = {0};

	/* a batch that is done again gives another number: the first must not stay */
	if ((file->metadata && strlen(file->metadata) > KEPT_TEXT_MAX) ||
	    file_copy(file, &copy))
		recent_drop(recent, file->id);
	else
		exchange(recent, place_of(recent, file->id), &copy);
}

bool recent_take(struct recent *recent, struct upload_id id, struct file *file)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&recent->mutex);
	struct file *place = place_of(recent, id);

	if (!place->num || memcmp(&place->id, &id, sizeof(id)) != 0)
		return false;
	*file = *place;
	*place = (struct file){0};
	return true;
}

void recent_drop(struct recent *recent, struct upload_id id)
{
	SCOPED(file_release) struct file dropped = {0};

	recent_take(recent, id, &dropped);
}
