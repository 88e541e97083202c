/* The start of the engine, on a new store, a used one, and one that a crash or a power
 * cut left: each call fails in turn, or is the last before a kill. The next start finds
 * all that there is to repair. */
#include "engine.h"
#include "faulty.h"
#include "invariants.h"
#include "run.h"

#include "descriptors.h"
#include "temp_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE	  300000
#define COMMITTED 70001
#define ARRIVED	  270001
/* Calls in a row that fail one by one, at the beginning and around the repair. */
#define FEW  30
#define MANY 120

static const struct faulty_mode modes[] = {
	{"no memory", FAULTY_MEMORY, FAULTY_ONCE, ENOMEM, false},
	{"no descriptor", FAULTY_OPEN, FAULTY_ONCE, EMFILE, false},
	{"a bad disk", FAULTY_DISK, FAULTY_ONCE, EIO, false},
	{"a bad disk for good", FAULTY_DISK, FAULTY_ON, EIO, false},
	{"a full disk", FAULTY_WRITE | FAULTY_NAME, FAULTY_ONCE, ENOSPC, false},
	{"kill", FAULTY_WRITE | FAULTY_SYNC | FAULTY_NAME, FAULTY_KILL, 0, false},
};

static const struct faulty_mode *mode_now;
static char *store;  /* what is started */
static char *origin; /* what it is a copy of */
static uint8_t *bytes;
static struct upload_id arriving;
static uint64_t num;

static int remove_one(const char *path, const struct stat *found, int type,
		      struct FTW *place)
{
	return remove(path);
}

static void copy_file(const char *from, const char *to)
{
	SCOPED(scoped_close) int in = open(from, O_RDONLY | O_CLOEXEC);
	SCOPED(scoped_close)
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert(in >= 0 && out >= 0);
	while (sendfile(out, in, NULL, 1 << 20) > 0)
		;
}

/* Calls `one` for each file in the folder `name` of a store. */
static void for_files(const char *of, const char *name, void (*one)(const char *path))
{
	SCOPED(scoped_free) char *path = NULL;
	DIR *folder;

	ck_assert_int_ge(asprintf(&path, "%s/%s", of, name), 0);
	folder = opendir(path);
	ck_assert_ptr_nonnull(folder);
	for (struct dirent *entry; (entry = readdir(folder));) {
		SCOPED(scoped_free) char *file = NULL;

		if (entry->d_type != DT_REG)
			continue;
		ck_assert_int_ge(asprintf(&file, "%s/%s", path, entry->d_name), 0);
		one(file);
	}
	closedir(folder);
}

static void copy_one(const char *path)
{
	SCOPED(scoped_free) char *to = NULL;

	ck_assert_int_ge(asprintf(&to, "%s%s", store, path + strlen(origin)), 0);
	copy_file(path, to);
}

static void remove_file(const char *path)
{
	ck_assert_int_eq(unlink(path), 0);
}

/* The store as it was. Of the folders of blobs, which take the longest, only the one of
 * the upload is looked at: that the others are empty has just been checked. */
static void copy_origin(void)
{
	char blobs[16];

	if (access(origin, F_OK) != 0) { /* it is to be new */
		if (access(store, F_OK) == 0)
			ck_assert_int_eq(
				nftw(store, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
		return;
	}
	snprintf(blobs, sizeof(blobs), "blobs/%02x", (unsigned int)(num & 0xff));
	if (access(store, F_OK) != 0) {
		ck_assert_int_eq(uploads_open(store, &engine_config, &engine), 0);
		engine_close();
	}
	for_files(store, ".", remove_file);
	for_files(store, blobs, remove_file);
	for_files(origin, ".", copy_one);
	for_files(origin, blobs, copy_one);
}

static int start(void)
{
	return uploads_open(store, &engine_config, &engine);
}

static void setup(void)
{
	temp_dir_setup();
	store = temp_dir_join("store");
	origin = temp_dir_join("origin");
	bytes = engine_noise(SIZE, 1);
	engine_config = (struct uploads_config){.tombstone_time = INT64_C(3600000000)};
}

static void teardown(void)
{
	free(store);
	free(origin);
	free(bytes);
	temp_dir_teardown();
}

/* Starts in a child with a kill at the call `nth`; 0, or -EINTR when it was killed. */
static int start_in_child(const struct faulty_mode *mode, int nth)
{
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (!child) {
		faulty_arm(mode, nth);
		_exit(start() ? 1 : 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) || status == 0);
	return WIFSIGNALED(status) ? -EINTR : 0;
}

/* Whether the start met the fault. */
static bool start_with(const struct faulty_mode *mode, int nth)
{
	bool fired;
	int r;

	if (mode->way == FAULTY_KILL)
		return start_in_child(mode, nth) != 0;
	faulty_arm(mode, nth);
	r = start();
	fired = faulty_disarm();
	/* SQLite calls a read that fails with EIO damage */
	if (r == REFUSED_GONE && mode->error == EIO)
		r = -EIO;
	ck_assert_msg(r == 0 || (r < 0 && fired), "%s, call %d: %d", mode->name, nth,
		      r);
	if (!r)
		engine_close();
	return fired;
}

/* How many calls of a mode a start makes that has nothing to repair. */
static int count_plain(const struct faulty_mode *mode)
{
	copy_origin();
	ck_assert_int_eq(start(), 0);
	engine_close();
	faulty_arm(mode, INT_MAX);
	ck_assert_int_eq(start(), 0);
	faulty_disarm();
	engine_close();
	return faulty_calls();
}

/* The call to fail after `nth`. In between is what every start does in the same way:
 * some seventy statements are prepared for each connection, with thousands of
 * allocations. With EACH_FAULT in the environment none is left out (contrib/torture
 * faults). */
static int next(int nth, int plain)
{
	if (getenv("EACH_FAULT"))
		return nth + 1;
	if (nth < FEW || (nth > plain - FEW && nth < plain + MANY))
		return faulty_next(nth, 8);
	return nth + 1 + nth / 8;
}

/* Fails each call in turn on a fresh copy. */
static void fail_each(void (*check)(void))
{
	int open_before = descriptors_open();
	bool fired;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		int nth = 0, plain = count_plain(&modes[i]);

		mode_now = &modes[i];
		do {
			copy_origin();
			fired = start_with(&modes[i], nth);
			ck_assert_int_eq(descriptors_open(), open_before);
			ck_assert_msg(start() == 0, "%s, call %d", modes[i].name, nth);
			invariants_hold(store);
			check();
			engine_close();
			nth = next(nth, plain);
		} while (fired);
		printf("%s: the last of the calls was %d\n", modes[i].name, nth - 1);
		ck_assert_int_gt(nth, 1);
	}
}

/* Fills a store, and dies with an append that is not committed. */
static void leave_a_crash(void)
{
	int status;
	pid_t child;

	ck_assert_int_eq(uploads_open(origin, &engine_config, &engine), 0);
	struct file file = engine_create(FILE_PLAIN, "x.bin", SIZE);

	arriving = file.id;
	num = file.num;
	file_release(&file);
	engine_append(arriving, 0, bytes, COMMITTED);
	engine_close();
	child = fork();
	if (!child) {
		struct upload_append append = {.offset = COMMITTED};
		struct upload_writer *writer;

		if (uploads_open(origin, &engine_config, &engine) ||
		    upload_writer_open(engine, arriving, &append, &writer) ||
		    upload_writer_put(writer, bytes + COMMITTED, ARRIVED - COMMITTED))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
}

static void shorten_blob(off_t size)
{
	SCOPED(scoped_free) char *path = NULL;

	ck_assert_int_ge(asprintf(&path, "%s/blobs/%02x/%016llx", origin,
				  (unsigned int)(num & 0xff), (unsigned long long)num),
			 0);
	ck_assert_int_eq(truncate(path, size), 0);
}

static void expect_offset(uint64_t offset)
{
	SCOPED(file_release) struct file file = engine_find(arriving);

	ck_assert_uint_eq(file.offset, offset);
	engine_expect(num, bytes, offset);
	engine_append(arriving, offset, bytes + offset, SIZE - offset);
	engine_expect(num, bytes, SIZE);
}

static void check_nothing(void)
{
	SCOPED(file_release) struct file file = engine_create(FILE_PLAIN, "x.bin", 10);

	ck_assert_str_eq(file.name.text, "x.bin");
}

START_TEST(a_new_store)
{
	fail_each(check_nothing);
}
END_TEST

/* Where the machine's boot id cannot be read, a crash counts as a power cut. */
static unsigned int without_boot_id;
/* What had arrived is given up where the disk fails, and kept otherwise. */
static unsigned int given_up, kept;

static void check_adopted(void)
{
	SCOPED(file_release) struct file file = engine_find(arriving);

	if (file.offset != COMMITTED)
		kept++;
	else if (mode_now->error == EIO)
		given_up++;
	else
		without_boot_id++;
	expect_offset(file.offset == COMMITTED ? COMMITTED : ARRIVED);
}

START_TEST(a_store_that_a_crash_left)
{
	leave_a_crash();
	fail_each(check_adopted);
	ck_assert_uint_le(without_boot_id, sizeof(modes) / sizeof(modes[0]));
	ck_assert_uint_gt(given_up, 0);
	ck_assert_uint_gt(kept, given_up);
}
END_TEST

/* What the others leave out: each allocation, one start after the other on one store.
 */
START_TEST(a_store_that_lacks_memory_for_one_call_after_the_other)
{
	int open_before = descriptors_open(), nth = 0;

	leave_a_crash();
	copy_origin();
	while (start_with(&modes[0], nth)) {
		ck_assert_int_eq(descriptors_open(), open_before);
		nth = faulty_next(nth, 8);
	}
	ck_assert_int_gt(nth, FEW);
	ck_assert_int_eq(start(), 0);
	invariants_hold(store);
	expect_offset(ARRIVED);
	engine_close();
}
END_TEST

static void check_committed(void)
{
	expect_offset(COMMITTED);
}

START_TEST(a_store_that_a_power_cut_left)
{
	leave_a_crash();
	engine_lose_power(origin);
	fail_each(check_committed);
}
END_TEST

static void check_begun_again(void)
{
	expect_offset(0);
}

START_TEST(an_offset_that_may_have_outlived_its_bytes_goes_back)
{
	engine_config.sync = SYNC_FINISH;
	leave_a_crash();
	engine_lose_power(origin);
	shorten_blob(30000);
	fail_each(check_begun_again);
}
END_TEST

static void check_damaged(void)
{
	engine_expect_gone(arriving);
}

START_TEST(an_offset_that_was_promised_and_outlived_its_bytes_is_damage)
{
	leave_a_crash();
	engine_lose_power(origin);
	shorten_blob(30000);
	fail_each(check_damaged);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_new_store,
		a_store_that_a_crash_left,
		a_store_that_lacks_memory_for_one_call_after_the_other,
		a_store_that_a_power_cut_left,
		an_offset_that_may_have_outlived_its_bytes_goes_back,
		an_offset_that_was_promised_and_outlived_its_bytes_is_damage,
	};

	faulty_install();
	return RUN_TESTS_FOR(tests, setup, teardown,
			     getenv("EACH_FAULT") ? 36000 : 600);
}
