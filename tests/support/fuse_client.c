#include "fuse_client.h"

#include "engine.h"
#include "temp_dir.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define ANSWER_MAX	  (1 << 20)
#define NOTIFICATIONS_MAX 256

uint64_t at_complete, at_incoming, at_partial, at_by_id;

struct notification {
	int code;
	uint64_t ino; /* of the inode, or of the folder */
	char name[256];
};

static struct fs *fs;
static int fd;
static uint64_t unique;
static struct notification notifications[NOTIFICATIONS_MAX];
static size_t notified;
static char *answer;

static void note(const struct fuse_out_header *header, const char *body)
{
	struct notification *new = &notifications[notified];

	ck_assert_uint_lt(notified, NOTIFICATIONS_MAX);
	*new = (struct notification){.code = header->error};
	if (header->error == FUSE_NOTIFY_INVAL_ENTRY) {
		const struct fuse_notify_inval_entry_out *entry = (const void *)body;

		new->ino = entry->parent;
		snprintf(new->name, sizeof(new->name), "%.*s", (int)entry->namelen,
			 (const char *)(entry + 1));
	} else {
		const struct fuse_notify_inval_inode_out *inode = (const void *)body;

		ck_assert_int_eq(header->error, FUSE_NOTIFY_INVAL_INODE);
		new->ino = inode->ino;
	}
	notified++;
}

/* Reads one message; false for a notification, which is noted. */
static bool receive(struct fuse_out_header *header, size_t *size)
{
	ssize_t got = recv(fd, answer, ANSWER_MAX, 0);

	ck_assert_int_ge(got, (ssize_t)sizeof(*header));
	memcpy(header, answer, sizeof(*header));
	ck_assert_uint_eq(header->len, got);
	*size = (size_t)got - sizeof(*header);
	if (header->unique != 0)
		return true;
	note(header, answer + sizeof(*header));
	return false;
}

static void send_request(enum fuse_opcode opcode, uint64_t ino, struct iovec *parts,
			 int count)
{
	struct fuse_in_header header = {
		.opcode = opcode,
		.unique = ++unique,
		.nodeid = ino,
		.uid = getuid(),
		.gid = getgid(),
		.pid = (uint32_t)getpid(),
		.len = sizeof(header),
	};

	parts[0] = (struct iovec){&header, sizeof(header)};
	for (int i = 1; i < count; i++)
		header.len += (uint32_t)parts[i].iov_len;
	ck_assert_int_eq(writev(fd, parts, count), header.len);
}

static int await_answer(void *out, size_t room, size_t *size)
{
	struct fuse_out_header header;
	size_t got;

	while (!receive(&header, &got))
		;
	ck_assert_uint_eq(header.unique, unique);
	if (size)
		*size = got;
	if (header.error == 0 && out) {
		ck_assert_uint_le(got, room);
		memcpy(out, answer + sizeof(header), got);
	}
	return -header.error;
}

int fuse_ask(enum fuse_opcode opcode, uint64_t ino, const void *in, size_t in_size,
	     void *out, size_t room, size_t *size)
{
	struct iovec parts[2] = {[1] = {(void *)in, in_size}};

	send_request(opcode, ino, parts, in ? 2 : 1);
	return await_answer(out, room, size);
}

int fuse_ask_names(enum fuse_opcode opcode, uint64_t ino, const void *in,
		   size_t in_size, const char *first, const char *second, void *out,
		   size_t room)
{
	struct iovec parts[4];
	int count = 1;

	if (in)
		parts[count++] = (struct iovec){(void *)in, in_size};
	parts[count++] = (struct iovec){(void *)first, strlen(first) + 1};
	if (second)
		parts[count++] = (struct iovec){(void *)second, strlen(second) + 1};
	send_request(opcode, ino, parts, count);
	return await_answer(out, room, NULL);
}

static void shake_hands(void)
{
	struct fuse_init_in in = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = 128 * 1024,
		.flags = FUSE_ASYNC_READ | FUSE_DO_READDIRPLUS | FUSE_MAX_PAGES |
			 FUSE_PARALLEL_DIROPS | FUSE_INIT_EXT,
	};
	struct fuse_init_out out;

	ck_assert_int_eq(
		fuse_ask(FUSE_INIT, 0, &in, sizeof(in), &out, sizeof(out), NULL), 0);
	ck_assert(out.flags & FUSE_DO_READDIRPLUS);
	ck_assert(!(out.flags & FUSE_READDIRPLUS_AUTO));
	ck_assert(out.flags & FUSE_PARALLEL_DIROPS);
}

void fuse_client_setup(void)
{
	struct fs_config config = {
		.source = "store",
		.base_path = "/files/",
		.uid = 1234,
		.gid = 5678,
		.umask = 027,
	};
	int fds[2];

	engine_setup();
	answer = malloc(ANSWER_MAX);
	ck_assert_ptr_nonnull(answer);
	notified = 0;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	fd = fds[0];
	ck_assert_int_eq(fs_prepare(&config, &fs), 0);
	ck_assert_int_eq(fs_start_on(fs, engine, fds[1]), 0);
	shake_hands();
	at_complete = fuse_ino(AT_ROOT, "complete");
	at_incoming = fuse_ino(AT_ROOT, "incoming");
	at_partial = fuse_ino(AT_ROOT, "partial");
	at_by_id = fuse_ino(AT_ROOT, "by-id");
}

void fuse_client_teardown(void)
{
	close(fd);
	fs = fs_stop(fs);
	free(answer);
	engine_teardown();
}

int fuse_look(uint64_t parent, const char *name, struct fuse_entry_out *entry)
{
	return fuse_ask_names(FUSE_LOOKUP, parent, NULL, 0, name, NULL, entry,
			      sizeof(*entry));
}

uint64_t fuse_ino(uint64_t parent, const char *name)
{
	struct fuse_entry_out entry = {0};

	ck_assert_int_eq(fuse_look(parent, name, &entry), 0);
	ck_assert_uint_ne(entry.nodeid, 0);
	return entry.nodeid;
}

bool fuse_has(uint64_t parent, const char *name)
{
	struct fuse_entry_out entry = {0};
	int error = fuse_look(parent, name, &entry);

	ck_assert(error == 0 || error == ENOENT);
	return error == 0 && entry.nodeid != 0;
}

int fuse_stat(uint64_t ino, struct fuse_attr *attr)
{
	struct fuse_getattr_in in = {0};
	struct fuse_attr_out out;
	int error =
		fuse_ask(FUSE_GETATTR, ino, &in, sizeof(in), &out, sizeof(out), NULL);

	if (!error)
		*attr = out.attr;
	return error;
}

/* Adds the names of one answer; returns the offset to go on from. */
static uint64_t add_names(const char *page, size_t size, FILE *out)
{
	uint64_t offset = 0;

	while (size > 0) {
		const struct fuse_direntplus *entry = (const void *)page;
		const struct fuse_dirent *dirent = &entry->dirent;
		size_t used = FUSE_DIRENTPLUS_SIZE(entry);

		ck_assert_uint_le(used, size);
		if (dirent->namelen > 2 || strncmp(dirent->name, "..", dirent->namelen))
			fprintf(out, "%.*s\n", (int)dirent->namelen, dirent->name);
		offset = dirent->off;
		page += used;
		size -= used;
	}
	return offset;
}

char *fuse_names(uint64_t ino, uint32_t size)
{
	struct fuse_read_in in = {.size = size};
	char *names, *page = malloc(size);
	size_t length, got;
	FILE *out = open_memstream(&names, &length);

	ck_assert_ptr_nonnull(out);
	for (;;) {
		ck_assert_int_eq(fuse_ask(FUSE_READDIRPLUS, ino, &in, sizeof(in), page,
					  size, &got),
				 0);
		if (got == 0)
			break;
		in.offset = add_names(page, got, out);
	}
	fclose(out);
	free(page);
	return names;
}

int fuse_open(uint64_t ino, int flags, struct fuse_open_out *open)
{
	struct fuse_open_in in = {.flags = (uint32_t)flags};

	return fuse_ask(FUSE_OPEN, ino, &in, sizeof(in), open, sizeof(*open), NULL);
}

size_t fuse_read(uint64_t ino, uint64_t handle, uint64_t offset, void *bytes,
		 uint32_t size)
{
	struct fuse_read_in in = {.fh = handle, .offset = offset, .size = size};
	size_t got = 0;

	ck_assert_int_eq(fuse_ask(FUSE_READ, ino, &in, sizeof(in), bytes, size, &got),
			 0);
	return got;
}

void fuse_close(uint64_t ino, uint64_t handle)
{
	struct fuse_release_in in = {.fh = handle};

	ck_assert_int_eq(fuse_ask(FUSE_RELEASE, ino, &in, sizeof(in), NULL, 0, NULL),
			 0);
}

char *fuse_attribute(uint64_t ino, const char *name, int *error)
{
	struct fuse_getxattr_in in = {.size = 65536};
	char *value = calloc(1, in.size + 1);

	ck_assert_ptr_nonnull(value);
	*error = fuse_ask_names(FUSE_GETXATTR, ino, &in, sizeof(in), name, NULL, value,
				in.size);
	if (*error == 0)
		return value;
	free(value);
	return NULL;
}

int fuse_set_attribute(uint64_t ino, const char *name, const char *value,
		       uint32_t flags)
{
	struct fuse_setxattr_in in = {.size = (uint32_t)strlen(value), .flags = flags};
	struct iovec parts[] = {
		{NULL, 0},
		{&in, FUSE_COMPAT_SETXATTR_IN_SIZE},
		{(void *)name, strlen(name) + 1},
		{(void *)value, strlen(value)},
	};

	send_request(FUSE_SETXATTR, ino, parts, 4);
	return await_answer(NULL, 0, NULL);
}

static void read_notifications(void)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	struct fuse_out_header header;
	size_t size;

	while (poll(&pollfd, 1, 0) == 1)
		ck_assert(!receive(&header, &size));
}

void fuse_drain(void)
{
	read_notifications();
	notified = 0;
}

static bool find_notification(int code, uint64_t ino, const char *name)
{
	read_notifications();
	for (size_t i = 0; i < notified; i++)
		if (notifications[i].code == code && notifications[i].ino == ino &&
		    strcmp(notifications[i].name, name) == 0)
			return true;
	return false;
}

static bool take_notification(int code, uint64_t ino, const char *name)
{
	bool found = find_notification(code, ino, name);

	notified = 0;
	return found;
}

bool fuse_was_told_of_name(uint64_t parent, const char *name)
{
	return take_notification(FUSE_NOTIFY_INVAL_ENTRY, parent, name);
}

bool fuse_was_told_of_inode(uint64_t ino)
{
	return take_notification(FUSE_NOTIFY_INVAL_INODE, ino, "");
}

bool fuse_was_told_of_inode_too(uint64_t ino)
{
	return find_notification(FUSE_NOTIFY_INVAL_INODE, ino, "");
}
