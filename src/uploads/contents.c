/* Contents of many parts, each of which takes a descriptor or some memory: those who
 * read the same upload share one, and all together are bounded, so that slow readers do
 * not take from writers what they need. */
#include "engine.h"

#include <errno.h>

/* Each reader of so many has descriptors of its own, and so a read-ahead of its own. */
#define FEW_PARTS 16

struct contents {
	size_t max;	       /* parts */
	pthread_mutex_t mutex; /* protects the rest */
	size_t parts;
	unsigned int forgotten; /* how often */
	struct content *first;	/* those that are shared */
};

int contents_new(size_t max, struct contents **contents)
{
	struct contents *made = calloc(1, sizeof(*made));

	if (!made)
		return failure(-ENOMEM, "open store");
	made->max = max;
	pthread_mutex_init(&made->mutex, NULL);
	*contents = made;
	return 0;
}

struct contents *contents_free(struct contents *contents)
{
	if (!contents)
		return NULL;
	pthread_mutex_destroy(&contents->mutex);
	free(contents);
	return NULL;
}

static struct content **find(struct contents *contents, uint64_t num)
{
	struct content **link = &contents->first;

	while (*link && (*link)->num != num)
		link = &(*link)->next;
	return link;
}

struct content *contents_find(struct contents *contents, uint64_t num,
			      unsigned int *moment)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&contents->mutex);
	struct content *found = *find(contents, num);

	*moment = contents->forgotten;
	return found ? content_ref(found) : NULL;
}

/* One is always admitted. */
static bool admit(struct contents *contents, size_t parts)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&contents->mutex);

	if (contents->parts && contents->parts + parts > contents->max)
		return false;
	contents->parts += parts;
	return true;
}

int contents_admit(struct contents *contents, struct content *content, size_t parts)
{
	if (!admit(contents, parts))
		return failure(-EMFILE, "open an upload of %zu parts", parts);
	content->home = contents;
	content->admitted = parts;
	return 0;
}

void contents_share(struct content *content, uint64_t num, unsigned int moment)
{
	struct contents *contents = content->home;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&contents->mutex);
	struct content **link = find(contents, num);

	/* another was quicker, or these parts may be out of use by now */
	if (content->count <= FEW_PARTS || *link || contents->forgotten != moment)
		return;
	content->num = num;
	*link = content;
}

static void take_out(struct contents *contents, struct content *content)
{
	struct content **link = find(contents, content->num);

	if (*link != content)
		return;
	*link = content->next;
	content->next = NULL;
}

void contents_forget(struct contents *contents, uint64_t num)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&contents->mutex);
	struct content *found = *find(contents, num);

	contents->forgotten++;
	if (found)
		take_out(contents, found);
}

/* The last reference goes with the lock held, so that nobody finds the content then. */
bool contents_unref(struct content *content)
{
	struct contents *contents = content->home;
	unsigned int users = atomic_load(&content->users);

	while (users > 1)
		if (atomic_compare_exchange_weak(&content->users, &users, users - 1))
			return false;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&contents->mutex);
	(void)lock;
	if (atomic_fetch_sub(&content->users, 1) != 1)
		return false;
	take_out(contents, content);
	contents->parts -= content->admitted;
	return true;
}
