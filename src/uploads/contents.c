/* The descriptors that readers hold: those of finals, whose parts take one or some
 * memory each, and of all that programs of this machine have open, for as long as they
 * like. All together they are bounded, so that readers do not take from writers and new
 * connections what they need. Who reads the same final of many parts shares one
 * content.
 */
#include "engine.h"

#include "tusfs/log.h"

#include <errno.h>

/* Each reader of so many has descriptors of its own, and so a read-ahead of its own. */
#define FEW_PARTS 16

struct contents {
	size_t max;	       /* parts */
	pthread_mutex_t mutex; /* protects the rest */
	size_t parts;
	size_t outsize;		/* contents that alone have more than may be open */
	bool told;		/* that there are too many */
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

/* A quarter is left to downloads. */
static size_t limit_for(const struct contents *contents,
			const struct content_user *user)
{
	return user->local ? contents->max - contents->max / 4 : contents->max;
}

/* One that is too large for all is admitted as well, but only one. */
static bool fits(const struct contents *contents, size_t parts,
		 const struct content_user *user)
{
	size_t limit = limit_for(contents, user);
	size_t held = user->held ? user->held->admitted : 0;

	if (parts <= held)
		return true;
	if (parts > limit)
		return contents->outsize == (user->held && user->held->outsize);
	return contents->parts - held + parts <= limit;
}

/* Programs may try again and again: once is enough, until there is room again. */
static void tell_once(struct contents *contents, size_t limit)
{
	if (!contents->told)
		log_warning(
			"readers have too many files open: no more than %zu "
			"descriptors are for them",
			limit);
	contents->told = true;
}

static bool admit(struct contents *contents, struct content *content, size_t parts,
		  const struct content_user *user)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&contents->mutex);

	if (!fits(contents, parts, user)) {
		tell_once(contents, limit_for(contents, user));
		return false;
	}
	contents->parts += parts;
	content->outsize = parts > limit_for(contents, user);
	contents->outsize += content->outsize;
	content->home = contents;
	content->admitted = parts;
	return true;
}

int contents_admit(struct contents *contents, struct content *content, size_t parts,
		   const struct content_user *user)
{
	return admit(contents, content, parts, user) ? 0 : -EMFILE;
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
	if (content->num)
		take_out(contents, content);
	contents->parts -= content->admitted;
	contents->outsize -= content->outsize;
	if (contents->parts <= contents->max / 2)
		contents->told = false;
	return true;
}
