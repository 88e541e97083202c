/* An upload in pieces while time stands still, and the room that it takes on the disk:
 * for the tests of the room ahead. An append is fast once it has brought FAST bytes. */
#ifndef ENGINE_AHEAD_H
#define ENGINE_AHEAD_H

#include "engine.h"
#include "run.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#define MEBIBYTE (UINT64_C(1) << 20)
#define PIECE	 (MEBIBYTE / 4)
#define FAST	 (4 * MEBIBYTE) /* FAST_BYTES of stream.c */
/* Most of an upload of this length never comes, but END does, and then there is room
 * for all of it. */
#define FAR (40 * MEBIBYTE)
#define END (FAST + MEBIBYTE)
/* A file system may need some blocks for its own notes. */
#define SLACK (MEBIBYTE / 8)

static uint8_t *bytes; /* 2 * FAST of them, which repeat */
static _Atomic int64_t now;

int64_t __wrap_clock_monotonic(void);

int64_t __wrap_clock_monotonic(void)
{
	return atomic_load(&now);
}

static inline int put(struct upload_writer *writer, uint64_t from, uint64_t to)
{
	int r = 0;

	for (; from < to && !r; from += PIECE)
		r = upload_writer_put(writer, bytes + from % (2 * FAST), PIECE);
	return r;
}

/* How much of the disk the upload takes is `room`. */
static inline void expect_room(const struct file *file, uint64_t room)
{
	SCOPED(scoped_free) char *path = engine_blob_path(file->num);
	struct stat found;

	ck_assert_msg(stat(path, &found) == 0, "%s", path);
	ck_assert_uint_ge((uint64_t)found.st_blocks * 512, room);
	ck_assert_uint_le((uint64_t)found.st_blocks * 512, room + SLACK);
}

/* Appends a little more than it takes to be fast, with the room ahead set aside. */
static inline struct upload_writer *begin_far(const struct file *file)
{
	struct upload_writer *writer = engine_begin(file, 0);

	ck_assert_int_eq(put(writer, 0, END), 0);
	expect_room(file, FAR);
	return writer;
}

/* The upload has all up to `end`, takes no other room, and goes on. */
static inline void expect_room_back(struct file *file, uint64_t end)
{
	struct file found = engine_find(file->id);

	ck_assert_uint_eq(found.offset, end);
	expect_room(file, end);
	engine_expect(file->num, bytes, end);
	engine_append(file->id, end, bytes + end, MEBIBYTE);
	engine_expect(file->num, bytes, end + MEBIBYTE);
	file_release(&found);
	file_release(file);
}

#endif
