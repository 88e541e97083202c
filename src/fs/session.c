/* The mount's life: prepare, start, stop. */
#include "device.h"
#include "mount.h"
#include "mountpoint.h"
#include "notifier.h"
#include "open_files.h"
#include "operations.h"
#include "publish.h"
#include "publisher.h"
#include "warden.h"
#include "watcher.h"

#include "tusfs/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* There is no readdir, so that the kernel always asks for entries with attributes: most
 * programs that list a folder look at each file, but only after they have read the
 * whole of it, when the kernel's own guess has failed. */
static void op_init(void *arg, struct fuse_conn_info *conn)
{
	struct fs *fs = arg;

	conn->max_readahead = DEVICE_READ_AHEAD;
	passthrough_negotiate(&fs->passthrough, conn);
}

const struct fuse_lowlevel_ops operations = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.release = op_release,
	.opendir = op_opendir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.create = op_create,
};

static bool copy(const char *text, const char **copied)
{
	*copied = text ? strdup(text) : NULL;
	return !text || *copied;
}

static void fs_free(struct fs *fs)
{
	fs->publisher = publisher_free(fs->publisher);
	fs->warden = warden_free(fs->warden);
	overlay_deinit(&fs->overlay);
	generations_deinit(&fs->generations);
	free((char *)fs->config.mountpoint);
	free((char *)fs->config.source);
	free((char *)fs->config.base_path);
	free(fs);
}

static int init(struct fs *fs, const struct fs_config *config)
{
	int r;

	overlay_init(&fs->overlay);
	generations_init(&fs->generations);
	fs->config = *config;
	fs->config.mountpoint = fs->config.source = fs->config.base_path = NULL;
	if (!copy(config->mountpoint, &fs->config.mountpoint) ||
	    !copy(config->source, &fs->config.source) ||
	    !copy(config->base_path, &fs->config.base_path))
		return failure(-ENOMEM, "prepare the mount");
	if (!config->mountpoint)
		return 0;
	r = mountpoint_check(config->mountpoint);
	if (!r)
		r = publisher_fork(fs->config.mountpoint, &fs->publisher);
	return r ? r : warden_fork(fs->config.mountpoint, &fs->warden);
}

int fs_prepare(const struct fs_config *config, struct fs **fs)
{
	struct fs *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "prepare the mount");
	r = init(made, config);
	if (r) {
		fs_free(made);
		return r;
	}
	*fs = made;
	return 0;
}

static int serve(struct fs *fs, void (*ended)(void *arg), void *arg)
{
	struct uploads_observer observer = {
		.happened = publish_event, .waits = publish_waits, .arg = fs};
	struct publisher_calls calls = {
		.paths = publish_paths, .late = publish_late, .arg = fs};
	int r = notifier_start(fs, &fs->notifier);

	if (!r)
		r = watcher_start(fs, &fs->watcher);
	if (!r && fs->publisher)
		r = publisher_start(fs->publisher, &calls);
	if (!r)
		r = workers_start(&fs->workers, fs->session, ended, arg);
	if (!r)
		uploads_observe(fs->uploads, &observer);
	return r;
}

static int begin(struct fs *fs, struct uploads *uploads)
{
	int r;

	fs->uploads = uploads;
	r = open_files_new(&fs->files);
	return r ? r : device_session(fs);
}

int fs_start(struct fs *fs, struct uploads *uploads, void (*ended)(void *arg),
	     void *arg)
{
	int r = begin(fs, uploads);

	if (!r)
		r = device_mount(fs);
	return r ? r : serve(fs, ended, arg);
}

int fs_start_on(struct fs *fs, struct uploads *uploads, int fd)
{
	int r = begin(fs, uploads);

	if (!r)
		r = device_use(fs, fd);
	if (r)
		close(fd);
	return r ? r : serve(fs, NULL, NULL);
}

/* With the device closed the kernel fails what programs still want of it. When the
 * notifier is held up in the kernel, it has the device open: the connection is aborted,
 * so that who waits for an answer lets go of the folder. Who holds it for another
 * reason cannot be helped: then nothing is freed, and the process ends when he lets go.
 */
static bool end_session(struct fs *fs)
{
	bool ended = notifier_stop(fs->notifier);

	if (!ended && fs->device)
		warden_abort(fs->config.mountpoint, fs->device);
	if (!ended)
		ended = notifier_stop(fs->notifier);
	if (fs->warden)
		warden_watch(fs->warden, 0);
	device_unmount(fs);
	if (!ended) {
		log_warning(
			"some program holds a folder of the mount: the process "
			"ends when it lets go");
		return false;
	}
	fs->notifier = notifier_free(fs->notifier);
	if (fs->session)
		fuse_session_destroy(fs->session);
	return true;
}

/* In this order: no more events; what is owed is done while requests are still served,
 * but waited for only for a while; then no more requests; then the mount is taken away.
 */
struct fs *fs_stop(struct fs *fs)
{
	if (!fs)
		return NULL;
	if (fs->uploads)
		uploads_observe(fs->uploads, NULL);
	watcher_stop(fs->watcher);
	publisher_stop(fs->publisher);
	notifier_stop(fs->notifier);
	workers_stop(&fs->workers);
	fs->watcher = watcher_free(fs->watcher);
	if (!end_session(fs))
		return NULL;
	fs->files = open_files_free(fs->files);
	fs_free(fs);
	return NULL;
}
