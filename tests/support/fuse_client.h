/* A mount without a kernel: the test sends the kernel's requests over a socket pair and
 * reads the answers and notifications. For tests; each call that is not answered as the
 * protocol demands fails the test. Includes the fixture of engine.h: the file system is
 * over `engine`, which the observer of the mount is told of. */
#ifndef SUPPORT_FUSE_CLIENT_H
#define SUPPORT_FUSE_CLIENT_H

#include "tusfs/fs.h"

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the folders of the mount are. */
#define AT_ROOT ((uint64_t)1)
extern uint64_t at_complete, at_incoming, at_partial, at_by_id;

void fuse_client_setup(void);
void fuse_client_teardown(void);

/* One request, answered; the result is 0 or the positive errno. `in` goes behind the
 * header; the answer, at most `room` bytes, to `out`, and its size to *size. The last
 * two may be NULL where no content is expected. */
int fuse_ask(enum fuse_opcode opcode, uint64_t ino, const void *in, size_t in_size,
	     void *out, size_t room, size_t *size);
/* A request that consists of names, each with its NUL, behind a struct. */
int fuse_ask_names(enum fuse_opcode opcode, uint64_t ino, const void *in,
		   size_t in_size, const char *first, const char *second, void *out,
		   size_t room);

int fuse_look(uint64_t parent, const char *name, struct fuse_entry_out *entry);
/* The inode of a name that must be there. */
uint64_t fuse_ino(uint64_t parent, const char *name);
/* Whether the name is there. */
bool fuse_has(uint64_t parent, const char *name);
int fuse_stat(uint64_t ino, struct fuse_attr *attr);
/* The names in a folder, each with a newline, in the order listed, without "." and
 * "..", read with answers of `size` bytes at most; the caller frees it. */
char *fuse_names(uint64_t ino, uint32_t size);

int fuse_open(uint64_t ino, int flags, struct fuse_open_out *open);
/* Reads, asserting success; returns how many bytes there were. */
size_t fuse_read(uint64_t ino, uint64_t handle, uint64_t offset, void *bytes,
		 uint32_t size);
void fuse_close(uint64_t ino, uint64_t handle);
/* The value as text; NULL, with *error set, when it is refused. The caller frees it. */
char *fuse_attribute(uint64_t ino, const char *name, int *error);
int fuse_set_attribute(uint64_t ino, const char *name, const char *value,
		       uint32_t flags);

/* Reads and forgets the notifications that there are: for tests that cause hundreds,
 * which would wait for somebody to read them. */
void fuse_drain(void);
/* Whether the mount has asked the kernel, since the last such question or the start, to
 * forget the name in the folder. */
bool fuse_was_told_of_name(uint64_t parent, const char *name);
/* The same of an inode's attributes. */
bool fuse_was_told_of_inode(uint64_t ino);
/* The same, and the next such question is about the same time. */
bool fuse_was_told_of_inode_too(uint64_t ino);

#endif
