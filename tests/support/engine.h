/* An engine in the temporary folder, and short ways to fill it: for tests. Every call
 * asserts that it succeeds. The fixture engine_setup/engine_teardown includes that of
 * temp_dir.h. */
#ifndef SUPPORT_ENGINE_H
#define SUPPORT_ENGINE_H

#include "tusfs/uploads.h"

/* The engine of this test, without its threads. */
extern struct uploads *engine;
/* What engine_open() opens it with; set to defaults by engine_setup(). */
extern struct uploads_config engine_config;

void engine_setup(void);
void engine_teardown(void);
void engine_open(void);
void engine_close(void);

/* "filename BASE64"; valid until the next call. */
const char *engine_metadata(const char *filename);

/* Creates an upload of `length` bytes named `filename` (NULL: no name). Release it. */
struct file engine_create(enum file_kind kind, const char *filename, uint64_t length);
/* Creates one of one byte, with folders: `path` is its relativePath. */
struct file engine_create_at(const char *path);
/* Creates a final of the parts. */
struct file engine_concatenate(const char *filename, const struct upload_id *parts,
			       size_t count);
/* Appends at `offset` and commits. */
void engine_append(struct upload_id id, uint64_t offset, const void *bytes,
		   size_t size);
/* The same, but may fail: what it gave. */
int engine_try_append(struct upload_id id, uint64_t offset, const void *bytes,
		      size_t size);
/* An append in steps: begins an append at `offset`... */
struct upload_writer *engine_begin(const struct file *file, uint64_t offset);
/* ...and ends it, whole or broken off; `offset` is what the upload must have then. */
void engine_commit(struct upload_writer *writer, uint64_t offset);
void engine_cut(struct upload_writer *writer, uint64_t offset);
/* A complete upload of a kind with these bytes. */
struct file engine_upload(enum file_kind kind, const char *filename, const void *bytes,
			  size_t size);
/* What uploads_find says. */
struct file engine_find(struct upload_id id);
/* Asserts that it says GONE: the upload was there, but is removed or damaged. */
void engine_expect_gone(struct upload_id id);
/* Asserts how far it is. */
void engine_expect_offset(struct upload_id id, uint64_t offset);
/* Asserts that the upload holds exactly these bytes. */
void engine_expect(uint64_t num, const void *bytes, size_t size);
/* Where an upload's blob is; the caller frees it. */
char *engine_blob_path(uint64_t num);
/* `size` bytes that depend on `seed`; the caller frees them. */
uint8_t *engine_noise(size_t size, unsigned int seed);

/* Runs work(arg) in a child that dies then, without any order. Leaves the engine
 * closed. */
void engine_die(void (*work)(void *arg), void *arg);
/* The same with an append that is neither committed nor cut. */
void engine_die_appending(struct upload_id id, const struct upload_append *append,
			  const void *bytes, size_t size);
/* The machine of a store whose process died lost its power, too. */
void engine_lose_power(const char *store);

#endif
