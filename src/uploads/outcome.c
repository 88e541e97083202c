/* What a transaction completed. The list is made inside it, and told after it. All
 * calls to the observer are made here. */
#include "engine.h"

#include <errno.h>
#include <string.h>

static void call_observer(struct uploads *uploads, const struct upload_event *event)
{
	pthread_rwlock_rdlock(&uploads->observing);
	if (uploads->observer.happened)
		uploads->observer.happened(uploads->observer.arg, event);
	pthread_rwlock_unlock(&uploads->observing);
}

bool uploads_observer_waits(struct uploads *uploads)
{
	bool waits;

	pthread_rwlock_rdlock(&uploads->observing);
	waits = uploads->observer.waits &&
		uploads->observer.waits(uploads->observer.arg);
	pthread_rwlock_unlock(&uploads->observing);
	return waits;
}

void tell(struct uploads *uploads, enum upload_event_type type, const struct file *file)
{
	struct upload_event event = {.type = type, .file = file};

	call_observer(uploads, &event);
}

void tell_gone(struct uploads *uploads, const struct file *file, uint64_t left)
{
	struct upload_event event = {.type = UPLOAD_GONE, .file = file, .left = left};

	call_observer(uploads, &event);
}

void outcome_reset(struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->count; i++)
		file_release(&outcome->finished[i].file);
	outcome->count = 0;
	outcome->unverified = 0;
}

int outcome_trust(struct outcome *outcome)
{
	uint64_t *more = reallocarray(outcome->trusted, outcome->trusted_count + 1,
				      sizeof(*more));

	if (!more)
		return failure(-ENOMEM, "finish upload");
	outcome->trusted = more;
	outcome->trusted[outcome->trusted_count++] = outcome->unverified;
	return 0;
}

bool outcome_trusts(const struct outcome *outcome, uint64_t num)
{
	for (size_t i = 0; i < outcome->trusted_count; i++)
		if (outcome->trusted[i] == num)
			return true;
	return false;
}

static bool was_noted(const struct outcome *outcome, uint64_t num)
{
	for (size_t i = 0; i < outcome->noted_count; i++)
		if (outcome->noted[i].num == num)
			return true;
	return false;
}

static int note(struct outcome *outcome, const struct file *file)
{
	struct file *more,
		bare = {.num = file->num, .parent = file->parent, .name = file->name};

	if (was_noted(outcome, file->num))
		return 0;
	more = reallocarray(outcome->noted, outcome->noted_count + 1, sizeof(*more));
	if (!more)
		return failure(-ENOMEM, "finish upload");
	outcome->noted = more;
	outcome->noted[outcome->noted_count++] = bare;
	tell(outcome->uploads, UPLOAD_FINISHING, &bare);
	return 0;
}

int outcome_add(struct outcome *outcome, struct file *file,
		const struct revealed *revealed)
{
	struct finished *more;
	int r = note(outcome, file);

	if (r)
		return r;
	more = reallocarray(outcome->finished, outcome->count + 1, sizeof(*more));
	if (!more)
		return failure(-ENOMEM, "finish upload");
	outcome->finished = more;
	outcome->finished[outcome->count++] = (struct finished){*file, *revealed};
	memset(file, 0, sizeof(*file));
	return 0;
}

static const struct finished *find(const struct outcome *outcome, uint64_t num)
{
	for (size_t i = 0; i < outcome->count; i++)
		if (outcome->finished[i].file.num == num)
			return &outcome->finished[i];
	return NULL;
}

static void tell_finished(struct uploads *uploads, const struct finished *finished)
{
	struct upload_event event = {
		.type = UPLOAD_FINISHED,
		.file = &finished->file,
		.revealed = finished->revealed.num,
		.revealed_parent = finished->revealed.parent,
		.revealed_name = finished->revealed.name,
	};

	call_observer(uploads, &event);
}

/* Whether there is something to hash, or to compact. */
static bool leaves_work(const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->count; i++) {
		const struct file *file = &outcome->finished[i].file;

		if (!file->has_sha256 || file->kind == FILE_FINAL)
			return true;
	}
	return false;
}

void outcome_tell(struct outcome *outcome, bool committed)
{
	const struct finished *finished;

	for (size_t i = 0; i < outcome->noted_count; i++) {
		finished = committed ? find(outcome, outcome->noted[i].num) : NULL;
		if (finished)
			tell_finished(outcome->uploads, finished);
		else
			tell(outcome->uploads, UPLOAD_NOT_FINISHED, &outcome->noted[i]);
	}
	if (committed && leaves_work(outcome))
		hasher_wake(outcome->uploads->hasher);
}

void outcome_release(struct outcome *outcome)
{
	outcome_reset(outcome);
	free(outcome->finished);
	free(outcome->noted);
	free(outcome->trusted);
}
