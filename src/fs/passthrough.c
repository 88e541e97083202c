/* libfuse negotiates passthrough from 3.17 on. With an older one, 3.14 in Debian 12, we
 * do it behind its back: the session reads and writes /dev/fuse through functions of
 * ours, which notice the INIT request and set the bits in the answer that libfuse
 * makes. The same way this also gives PARALLEL_DIROPS, which 3.14 wants but forgets to
 * send, and which 3.17 sends only if it is asked to: without it lookups in one
 * directory wait for each other.
 *
 * An OPEN's answer then carries a flag and a backing id, which struct fuse_file_info of
 * 3.14 has no room for: the answer is built here. Never together with KEEP_CACHE, which
 * the kernel refuses with EIO. */
#include "passthrough.h"

#include "mount.h"
#include "open_files.h"

#include "tusfs/log.h"

#include <errno.h>
#include <linux/fuse.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#define LIBFUSE_HAS_PASSTHROUGH (FUSE_MINOR_VERSION >= 17)

/* The kernel's interface, newer than Debian 12's <linux/fuse.h>. */
#define FLAGS2_PASSTHROUGH    (1U << 5) /* FUSE_PASSTHROUGH is bit 37 of both words */
#define OPEN_FLAG_PASSTHROUGH (1U << 7)
struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
#define BACKING_OPEN  _IOW(229, 1, struct backing_map)
#define BACKING_CLOSE _IOW(229, 2, uint32_t)

void passthrough_init(struct passthrough *passthrough, bool wanted, const char *store)
{
	struct statfs below;

	passthrough->wanted = wanted;
	passthrough->stack_depth = 1;
	/* A store on overlayfs is one level deeper; then nothing can be stacked on us.
	 */
	if (statfs(store, &below) == 0 && below.f_type == OVERLAYFS_SUPER_MAGIC)
		passthrough->stack_depth = 2;
}

#if LIBFUSE_HAS_PASSTHROUGH

void passthrough_saw_request(struct passthrough *passthrough, const void *request,
			     size_t size)
{
}

void passthrough_mend_reply(struct passthrough *passthrough, struct iovec *iov,
			    int count)
{
}

void passthrough_negotiate(struct passthrough *passthrough, struct fuse_conn_info *conn)
{
	if (!fuse_set_feature_flag(conn, FUSE_CAP_PARALLEL_DIROPS))
		log_warning("the kernel looks up one name of a folder at a time");
	if (!passthrough->wanted || !fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH))
		return;
	conn->max_backing_stack_depth = passthrough->stack_depth;
	atomic_store(&passthrough->on, true);
}

int passthrough_reply_open(fuse_req_t req, const struct fuse_file_info *info,
			   const struct open_answer *opened)
{
	struct fuse_file_info answer = *info;

	if (opened->way == OPEN_PASSING)
		answer.backing_id = opened->backing_id;
	return fuse_reply_open(req, &answer);
}

#else

void passthrough_saw_request(struct passthrough *passthrough, const void *request,
			     size_t size)
{
	const struct fuse_in_header *header = request;
	const struct fuse_init_in *init = (const void *)(header + 1);
	bool extended; /* it has the second word of flags */

	if (size < sizeof(*header) + sizeof(*init) || header->opcode != FUSE_INIT)
		return;
	passthrough->init_unique = header->unique;
	extended = init->flags & FUSE_INIT_EXT;
	if (!extended || !(init->flags2 & FLAGS2_PASSTHROUGH))
		passthrough->wanted = false;
}

void passthrough_mend_reply(struct passthrough *passthrough, struct iovec *iov,
			    int count)
{
	const struct fuse_out_header *header = iov[0].iov_base;
	struct fuse_init_out *init;

	if (passthrough->init_unique == 0 || header->unique != passthrough->init_unique)
		return;
	passthrough->init_unique = 0;
	if (count < 2 || iov[1].iov_len < sizeof(*init))
		return;
	init = iov[1].iov_base;
	init->flags |= FUSE_PARALLEL_DIROPS;
	if (!passthrough->wanted)
		return;
	init->flags |= FUSE_INIT_EXT;
	init->flags2 |= FLAGS2_PASSTHROUGH;
	init->unused[0] = passthrough->stack_depth; /* max_stack_depth */
	atomic_store(&passthrough->on, true);
}

void passthrough_negotiate(struct passthrough *passthrough, struct fuse_conn_info *conn)
{
}

int passthrough_reply_open(fuse_req_t req, const struct fuse_file_info *info,
			   const struct open_answer *opened)
{
	struct fuse_open_out answer = {
		.fh = info->fh,
		.open_flags = FOPEN_NOFLUSH | OPEN_FLAG_PASSTHROUGH,
		.padding = (uint32_t)opened->backing_id,
	};

	if (opened->way != OPEN_PASSING)
		return fuse_reply_open(req, info);
	return fuse_reply_buf(req, (const char *)&answer, sizeof(answer));
}

#endif

static void tell(struct passthrough *passthrough, const char *how, int error)
{
	if (!atomic_exchange(&passthrough->told, true))
		log_info("complete files are read %s%s%s", how, error ? ": " : "",
			 error ? strerror(error) : "");
}

int passthrough_open(struct fs *fs, int fd)
{
	struct passthrough *passthrough = &fs->passthrough;
	struct backing_map map = {.fd = fd};
	int id;

	if (!atomic_load(&passthrough->on)) {
		tell(passthrough, "through the daemon", 0);
		return 0;
	}
	id = ioctl(fuse_session_fd(fs->session), BACKING_OPEN, &map);
	if (id > 0) {
		tell(passthrough, "by the kernel itself (passthrough)", 0);
		return id;
	}
	if (errno == ENOMEM || errno == ENFILE || errno == ENOSPC)
		return 0;
	tell(passthrough, "through the daemon", errno);
	atomic_store(&passthrough->on, false);
	return 0;
}

void passthrough_close(struct fs *fs, int backing_id)
{
	uint32_t id = (uint32_t)backing_id;

	if (ioctl(fuse_session_fd(fs->session), BACKING_CLOSE, &id) < 0)
		log_debug("close backing id %u: %s", id, strerror(errno));
}
