/* A full disk. Removing uploads, and committing what has arrived, works all the same,
 * since there is a ballast to give up for it; from then on no new bytes are taken, so
 * that nobody else gets that room, until the janitor could take the ballast back. */
#include "engine.h"

#include "tusfs/log.h"

#include <errno.h>

int full_recover(struct uploads *uploads)
{
	int r = ballast_take(uploads->store);

	if (r < 0)
		return r;
	if (atomic_exchange(&uploads->full, r != 0) && !r)
		log_info("there is room in the store again");
	return 0;
}

void full_give_up_ballast(struct uploads *uploads)
{
	if (!atomic_exchange(&uploads->full, true))
		log_warning("the disk is full: no new bytes until there is room");
	ballast_drop(uploads->store);
}

int full_commit(struct uploads *uploads, bool durable, catalog_apply *apply, void *arg)
{
	int r = catalog_commit(uploads->catalog, durable, apply, arg);

	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	full_give_up_ballast(uploads);
	/* the log can then begin anew, where it has room already */
	r = catalog_checkpoint(uploads->catalog);
	return r ? r : catalog_commit(uploads->catalog, durable, apply, arg);
}

int full_check(struct uploads *uploads, uint64_t size)
{
	struct statvfs space;
	int r;

	if (!size)
		return 0;
	if (atomic_load(&uploads->full))
		return REFUSED_NO_SPACE;
	r = uploads_space(uploads, &space);
	if (r)
		return r;
	return size > (uint64_t)space.f_bavail * space.f_frsize ? REFUSED_NO_SPACE : 0;
}
