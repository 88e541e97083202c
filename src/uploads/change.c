/* Changes that are begun one by one, committed together, and then ended one by one. */
#include "writer.h"

#include "tusfs/fault_point.h"

#include <assert.h>
#include <errno.h>

/* ---- a whole append ---- */

struct appending {
	struct upload_change change;
	struct upload_writer *writer;
	struct writer_step step;
};

static void appending_settle(struct upload_change *change)
{
	struct appending *appending = (struct appending *)change;
	struct upload_writer *writer = appending->writer;
	int r = change->commit.result;

	if (!r)
		writer->file = appending->step.file; /* the strings are the same */
	else if (r == REFUSED_CHECKSUM && change->outcome.unverified)
		r = REFUSED_BUSY; /* to read all of a final takes a thread */
	if (r > 0)
		writer_discard(writer);
	writer_give_back(writer, r);
	change->commit.result = r;
}

static int appending_end(struct upload_change *change, struct file *file)
{
	struct appending *appending = (struct appending *)change;
	int r = change->commit.result;

	fault_point("committed, and not told");
	outcome_tell(&change->outcome, !r);
	outcome_release(&change->outcome);
	if (!r)
		r = file_copy(&appending->writer->file, file);
	upload_writer_free(appending->writer);
	return r;
}

/* Takes the bytes in. An append that is refused has ended. */
static int take_in(struct upload_writer *writer, const void *bytes)
{
	int r = upload_writer_put(writer, bytes, writer->append.size);

	if (!r)
		r = writer_check_whole(writer);
	if (!r)
		return 0;
	writer_discard(writer);
	writer_give_back(writer, r);
	return r;
}

int upload_change_append(struct uploads *uploads, struct upload_id id,
			 const struct upload_append *append, const void *bytes,
			 struct upload_change **change)
{
	SCOPED(scoped_free) struct appending *made = calloc(1, sizeof(*made));
	SCOPED(scoped_upload_writer_free) struct upload_writer *writer = NULL;
	int r;

	assert(append->at_once && append->size_known && !append->checked);
	if (!made)
		return failure(-ENOMEM, "append");
	r = upload_writer_open(uploads, id, append, &writer);
	if (!r)
		r = take_in(writer, bytes);
	if (r)
		return r;
	made->change = (struct upload_change){
		.commit = {.apply = writer_apply,
			   .arg = &made->step,
			   .durable = writer_must_be_durable(writer)},
		.outcome = {.uploads = uploads},
		.settle = appending_settle,
		.end = appending_end,
	};
	made->step = (struct writer_step){.writer = writer,
					  .outcome = &made->change.outcome};
	made->writer = STEAL(writer);
	*change = &made->change;
	made = NULL;
	return 0;
}

/* ---- all ---- */

void upload_changes_commit(struct uploads *uploads,
			   struct upload_change *const *changes, size_t count)
{
	if (!count)
		return;
	for (size_t i = 0; i + 1 < count; i++)
		changes[i]->commit.next = &changes[i + 1]->commit;
	catalog_commit_all(uploads->catalog, &changes[0]->commit,
			   &changes[count - 1]->commit);
	/* all are given back before anybody is told: who is told may wait for one who
	 * waits for another of these uploads */
	for (size_t i = 0; i < count; i++)
		if (changes[i]->settle)
			changes[i]->settle(changes[i]);
}

int upload_change_end(struct upload_change *change, struct file *file)
{
	int r = change->end(change, file);

	free(change);
	return r;
}
