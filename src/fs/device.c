#include "device.h"

#include "mountpoint.h"
#include "operations.h"
#include "publisher.h"
#include "warden.h"

#include "tusfs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The end of a socket is the end of the session, as ENODEV is that of the device. */
static ssize_t read_request(int fd, void *buffer, size_t size, void *arg)
{
	struct fs *fs = arg;
	ssize_t got = read(fd, buffer, size);

	if (got == 0) {
		errno = ENODEV;
		return -1;
	}
	if (got > 0)
		passthrough_saw_request(&fs->passthrough, buffer, (size_t)got);
	return got;
}

static ssize_t write_reply(int fd, struct iovec *iov, int count, void *arg)
{
	struct fs *fs = arg;

	passthrough_mend_reply(&fs->passthrough, iov, count);
	return writev(fd, iov, count);
}

static const struct fuse_custom_io device_io = {
	.read = read_request,
	.writev = write_reply,
};

/* Options that libfuse hands to fusermount3; a comma in a value is escaped. */
static int add_source(struct fuse_args *args, const char *source)
{
	SCOPED(scoped_free) char *option = NULL;
	size_t size;
	FILE *out = open_memstream(&option, &size);

	if (!out)
		return -1;
	fputs("-osubtype=tusfs,fsname=", out);
	for (; *source; source++) {
		if (*source == ',' || *source == '\\')
			fputc('\\', out);
		fputc(*source, out);
	}
	if (fclose(out) != 0)
		return -1;
	return fuse_opt_add_arg(args, option);
}

static int add_arguments(const struct fs *fs, struct fuse_args *args)
{
	if (fuse_opt_add_arg(args, "tusfs") || add_source(args, fs->config.source) ||
	    fuse_opt_add_arg(args, "-odefault_permissions"))
		return -1;
	if (fs->config.allow_other && fuse_opt_add_arg(args, "-oallow_other"))
		return -1;
	if (fs->config.noexec && fuse_opt_add_arg(args, "-onoexec"))
		return -1;
	return fs->config.debug ? fuse_opt_add_arg(args, "-d") : 0;
}

/* libfuse's own messages, most of them lines. */
static void log_message(enum fuse_log_level level, const char *format, va_list values)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, values);
	text[strcspn(text, "\n")] = '\0';
	if (level <= FUSE_LOG_ERR)
		log_error("%s", text);
	else if (level < FUSE_LOG_DEBUG)
		log_info("%s", text);
	else
		log_debug("%s", text);
}

int device_session(struct fs *fs)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

	fuse_set_log_func(log_message);
	if (add_arguments(fs, &args) == 0)
		fs->session =
			fuse_session_new(&args, &operations, sizeof(operations), fs);
	fuse_opt_free_args(&args);
	return fs->session ? 0 : failure(-ENOMEM, "make a FUSE session");
}

int device_use(struct fs *fs, int fd)
{
	int r = fuse_session_custom_io(fs->session, &device_io, fd);

	return r ? failure(r, "use descriptor %d", fd) : 0;
}

static int mount_directly(const struct fs *fs, int fd)
{
	char options[128];

	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,default_permissions%s",
		 fd, geteuid(), getegid(),
		 fs->config.allow_other ? ",allow_other" : "");
	if (mount(fs->config.source, fs->config.mountpoint, MOUNT_TYPE,
		  MS_NOSUID | MS_NODEV | MS_NOATIME |
			  (fs->config.noexec ? MS_NOEXEC : 0),
		  options) < 0)
		return -errno;
	return 0;
}

/* The helper opens the device itself. libfuse says what is wrong. */
static int mount_by_helper(struct fs *fs)
{
	if (fuse_session_mount(fs->session, fs->config.mountpoint) != 0)
		return failure(-EPERM, "mount on %s", fs->config.mountpoint);
	fs->mounted = true;
	fs->by_helper = true;
	return device_use(fs, fuse_session_fd(fs->session));
}

/* With the device open as `*fd`, which the session takes over. */
static int mount_and_use(struct fs *fs, int *fd)
{
	int r = mount_directly(fs, *fd);

	if (r == -EPERM)
		return mount_by_helper(fs);
	if (r)
		return failure(r, "mount on %s", fs->config.mountpoint);
	fs->mounted = true;
	r = device_use(fs, *fd);
	if (!r)
		*fd = -1;
	return r;
}

static void set_read_ahead(dev_t mount)
{
	SCOPED(scoped_close) int fd = -1;
	char path[64], value[16];

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major(mount),
		 minor(mount));
	snprintf(value, sizeof(value), "%d", DEVICE_READ_AHEAD / 1024);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		log_debug("set %s: %s", path, strerror(errno));
}

/* Asks nothing of the daemon: nobody would answer yet, and this thread must never wait
 * for an answer (see warden.h). */
static void tell_mount(struct fs *fs)
{
	fs->device = mountpoint_device_of(fs->config.mountpoint);
	if (!fs->device)
		return; /* it has been unmounted already */
	publisher_mounted(fs->publisher, fs->device);
	warden_watch(fs->warden, fs->device);
	set_read_ahead(fs->device);
}

int device_mount(struct fs *fs)
{
	SCOPED(scoped_close) int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int r;

	if (fd < 0)
		return failure(-errno, "open /dev/fuse");
	r = mount_and_use(fs, &fd);
	if (r)
		return r;
	tell_mount(fs);
	passthrough_init(&fs->passthrough, !fs->by_helper, fs->config.source);
	return 0;
}

void device_unmount(struct fs *fs)
{
	if (!fs->mounted)
		return;
	fs->mounted = false;
	/* libfuse finds out whether it has been unmounted, but takes one that was
	 * aborted for such; and what else is mounted there by now is not ours */
	if (fs->by_helper)
		fuse_session_unmount(fs->session);
	if (fs->device && mountpoint_device_of(fs->config.mountpoint) == fs->device &&
	    mountpoint_detach(fs->config.mountpoint))
		log_warning("%s stays mounted", fs->config.mountpoint);
}
