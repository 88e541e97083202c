#include "mountpoint.h"

#include "tusfs/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

extern char **environ;

static dev_t device_at(int fd, const char *path, int flags)
{
	struct statx found;

	if (statx(fd, path, AT_STATX_DONT_SYNC | flags, 0, &found) < 0)
		return 0;
	return makedev(found.stx_dev_major, found.stx_dev_minor);
}

dev_t mountpoint_device(int fd)
{
	return device_at(fd, "", AT_EMPTY_PATH);
}

dev_t mountpoint_device_of(const char *path)
{
	return device_at(AT_FDCWD, path, 0);
}

static int detach_by_helper(const char *path)
{
	const char *argv[] = {"fusermount3", "-u", "-q", "-z", "--", path, NULL};
	pid_t child;
	int status = -1;
	int r = posix_spawnp(&child, argv[0], NULL, NULL, (char **)argv, environ);

	if (r)
		return -r;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status == 0 ? 0 : -EPERM;
}

int mountpoint_detach(const char *path)
{
	int r = 0;

	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		r = errno == EPERM ? detach_by_helper(path) : -errno;
	return r ? failure(r, "unmount %s", path) : 0;
}

static bool is_octal(const char *text)
{
	return text[0] >= '0' && text[0] <= '3' && text[1] >= '0' && text[1] <= '7' &&
	       text[2] >= '0' && text[2] <= '7';
}

/* Undoes the octal escapes of mountinfo, in place. */
static void unescape(char *text)
{
	char *out = text;

	while (*text) {
		if (*text == '\\' && is_octal(text + 1)) {
			*out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 +
					(text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* A line is "ID PARENT DEVICE ROOT PATH OPTIONS ... - TYPE SOURCE OPTIONS"; it is taken
 * apart in place. */
static bool line_is_ours(char *line, const char *path)
{
	const char *type = strstr(line, " - ");
	char *mounted = NULL;

	if (!type || strncmp(type + 3, MOUNT_TYPE " ", strlen(MOUNT_TYPE " ")) != 0)
		return false;
	for (int field = 1; field <= 5 && line; field++)
		mounted = strsep(&line, " ");
	if (!line)
		return false;
	unescape(mounted);
	return strcmp(mounted, path) == 0;
}

static void scoped_file_close(FILE **file)
{
	if (*file)
		fclose(*file);
}

static bool is_mounted(const char *path)
{
	SCOPED(scoped_file_close) FILE *mounts = fopen("/proc/self/mountinfo", "re");
	SCOPED(scoped_free) char *line = NULL;
	size_t size = 0;

	while (mounts && getline(&line, &size, mounts) > 0)
		if (line_is_ours(line, path))
			return true;
	return false;
}

/* statfs(2) always asks the daemon, while stat(2) may be answered from a cache. */
static bool is_dead(const char *path)
{
	struct statfs space;

	return statfs(path, &space) < 0 && errno == ENOTCONN;
}

static int detach_dead(const char *path)
{
	while (is_mounted(path) && is_dead(path)) {
		int r = mountpoint_detach(path);

		if (r)
			return r;
		log_info("detached a mount without a daemon from %s", path);
	}
	return 0;
}

/* Takes what opendir() gave. */
static int check_empty(const char *path, DIR *folder)
{
	const struct dirent *entry;
	bool empty = true;

	while (empty && (entry = readdir(folder)))
		empty = strcmp(entry->d_name, ".") == 0 ||
			strcmp(entry->d_name, "..") == 0;
	closedir(folder);
	if (empty)
		return 0;
	if (is_mounted(path))
		log_error("the mountpoint %s has a tusfs mounted already", path);
	else
		log_error("the mountpoint %s is not empty", path);
	return REFUSED_NOT_EMPTY;
}

int mountpoint_check(const char *path)
{
	DIR *folder;
	int r = detach_dead(path);

	if (r)
		return r;
	folder = opendir(path);
	if (folder)
		return check_empty(path, folder);
	if (errno == ENOENT) {
		log_error("the mountpoint %s does not exist", path);
		return REFUSED_NOT_FOUND;
	}
	if (errno == ENOTDIR) {
		log_error("the mountpoint %s is not a folder", path);
		return REFUSED_NOT_FOLDER;
	}
	return failure(-errno, "open the mountpoint %s", path);
}
