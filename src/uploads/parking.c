/* Digests of whole files that are carried from one PATCH to the next, so that the last
 * one need not read everything again. A few at a time; one that is lost costs only that
 * reading. */
#include "engine.h"

#include <errno.h>
#include <string.h>

#define PLACES 256

struct place {
	struct upload_id id;
	uint64_t offset;
	struct digest *digest; /* NULL: free */
};

struct parking {
	pthread_mutex_t mutex; /* protects the rest */
	struct place places[PLACES];
	size_t next; /* the place that is given away next */
};

int parking_new(struct parking **parking)
{
	struct parking *made = calloc(1, sizeof(*made));

	if (!made)
		return failure(-ENOMEM, "start the engine");
	pthread_mutex_init(&made->mutex, NULL);
	*parking = made;
	return 0;
}

struct parking *parking_free(struct parking *parking)
{
	if (!parking)
		return NULL;
	for (size_t i = 0; i < PLACES; i++)
		digest_free(parking->places[i].digest);
	pthread_mutex_destroy(&parking->mutex);
	free(parking);
	return NULL;
}

void parking_put(struct parking *parking, struct upload_id id, uint64_t offset,
		 struct digest *digest)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&parking->mutex);
	struct place *place = &parking->places[parking->next];

	parking->next = (parking->next + 1) % PLACES;
	digest_free(place->digest);
	*place = (struct place){id, offset, digest};
}

struct digest *parking_take(struct parking *parking, struct upload_id id,
			    uint64_t offset)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&parking->mutex);

	for (size_t i = 0; i < PLACES; i++) {
		struct place *place = &parking->places[i];

		if (place->digest && place->offset == offset &&
		    memcmp(&place->id, &id, sizeof(id)) == 0)
			return STEAL(place->digest);
	}
	return NULL;
}
