/* One writer at a time, and a newcomer takes over. */
#include "engine.h"
#include "run.h"

#include "tusfs/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* A writer that writes until it is told to stop, as a slow client's connection would.
 */
struct slow {
	pthread_t thread;
	struct upload_id id;
	int wake[2];	/* `stop` writes a byte here */
	int started[2]; /* the writer does */
	bool late;	/* puts more after it was told to stop */
	bool ended;	/* and is refused at once: the upload ends */
	bool deaf;	/* does not stop before it is told a second time */
	uint64_t kept;
};

static void stop(void *arg)
{
	struct slow *slow = arg;

	ck_assert_int_eq(write(slow->wake[1], "x", 1), 1);
}

static void *write_slowly(void *arg)
{
	struct slow *slow = arg;
	struct upload_append append = {.stop = stop, .arg = slow};
	struct upload_writer *writer;
	struct file file;
	char byte;

	ck_assert_int_eq(upload_writer_open(engine, slow->id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_put(writer, "0123456789", 10), 0);
	ck_assert_int_eq(write(slow->started[1], "x", 1), 1);
	ck_assert_int_eq(read(slow->wake[0], &byte, 1), 1);
	if (slow->deaf)
		ck_assert_int_eq(read(slow->wake[0], &byte, 1), 1);
	if (slow->late && !slow->ended) {
		ck_assert_int_eq(upload_writer_put(writer, "!", 1), 0);
		usleep(CLOCK_SECOND / 2);
	}
	if (slow->late)
		ck_assert_int_eq(upload_writer_put(writer, "?", 1), REFUSED_STOPPED);
	ck_assert_int_eq(upload_writer_cut(writer, &file), 0);
	slow->kept = file.offset;
	file_release(&file);
	upload_writer_free(writer);
	return NULL;
}

static void slow_start(struct slow *slow, struct upload_id id)
{
	char byte;

	slow->id = id;
	ck_assert_int_eq(pipe(slow->wake), 0);
	ck_assert_int_eq(pipe(slow->started), 0);
	ck_assert_int_eq(pthread_create(&slow->thread, NULL, write_slowly, slow), 0);
	ck_assert_int_eq(read(slow->started[0], &byte, 1), 1);
}

static void slow_end(struct slow *slow)
{
	pthread_join(slow->thread, NULL);
	close(slow->wake[0]);
	close(slow->wake[1]);
	close(slow->started[0]);
	close(slow->started[1]);
}

START_TEST(a_head_stops_the_writer_and_sees_what_it_had)
{
	struct file file = engine_create(FILE_PLAIN, "x", 100000), now;
	struct slow slow = {0};

	slow_start(&slow, file.id);
	now = engine_find(file.id);
	ck_assert_uint_eq(now.offset, 0); /* who only looks disturbs nobody */
	file_release(&now);
	ck_assert_int_eq(uploads_settle(engine, file.id, &now), 0);
	ck_assert_uint_eq(now.offset, 10);
	slow_end(&slow);
	ck_assert_uint_eq(slow.kept, 10);
	file_release(&now);
	file_release(&file);
}
END_TEST

/* Settles an upload that `slow` writes: it is to keep so much. */
static void settle(struct slow *slow, uint64_t kept)
{
	struct file file = engine_create(FILE_PLAIN, "x", 100000), now;

	slow_start(slow, file.id);
	ck_assert_int_eq(uploads_settle(engine, file.id, &now), 0);
	ck_assert_uint_eq(now.offset, kept);
	slow_end(slow);
	file_release(&now);
	file_release(&file);
}

/* It may have read what came before it was told, or what the kernel still holds. */
START_TEST(a_stopped_writer_puts_what_had_come_but_not_for_long)
{
	struct slow slow = {.late = true};

	settle(&slow, 11);
}
END_TEST

START_TEST(a_writer_that_does_not_stop_is_told_once_more)
{
	struct slow slow = {.deaf = true};

	settle(&slow, 10);
}
END_TEST

START_TEST(a_new_writer_stops_the_old_one_and_goes_on_behind_it)
{
	struct file file = engine_create(FILE_PLAIN, "x", 13);
	struct slow slow = {0};

	slow_start(&slow, file.id);
	engine_append(file.id, 10, "abc", 3);
	slow_end(&slow);
	engine_expect(file.num, "0123456789abc", 13);
	file_release(&file);
}
END_TEST

/* rm holds the folder's lock of the kernel meanwhile. */
START_TEST(a_termination_stops_the_writer_at_once)
{
	struct file file = engine_create(FILE_PLAIN, "x", 100000);
	struct slow slow = {.late = true, .ended = true};

	slow_start(&slow, file.id);
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	slow_end(&slow);
	ck_assert_uint_eq(slow.kept, 0); /* nor did it wait for the disk */
	engine_expect_gone(file.id);
	file_release(&file);
}
END_TEST

START_TEST(a_stop_of_the_engine_stops_all_writers_and_takes_no_new_ones)
{
	struct file file = engine_create(FILE_PLAIN, "x", 100000);
	struct upload_append append = {.offset = 10};
	struct upload_writer *writer;
	struct slow slow = {0};

	slow_start(&slow, file.id);
	uploads_stop_writers(engine);
	slow_end(&slow);
	ck_assert_uint_eq(slow.kept, 10);
	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer),
			 REFUSED_BUSY);
	file_release(&file);
}
END_TEST

#define RACERS 8
#define RACE   400000

struct racer {
	pthread_t thread;
	struct upload_id id;
	const uint8_t *bytes;
	atomic_bool stopped;
};

static void stop_racer(void *arg)
{
	struct racer *racer = arg;

	atomic_store(&racer->stopped, true);
}

/* Appends from wherever the upload is, until it is complete. */
static void *race(void *arg)
{
	struct racer *racer = arg;
	bool complete = false;

	while (!complete) {
		struct upload_append append = {.stop = stop_racer, .arg = racer};
		struct upload_writer *writer;
		struct file file = {0};
		int r = uploads_settle(engine, racer->id, &file);

		if (r)
			continue;
		append.offset = file.offset;
		complete = file_is_complete(&file);
		file_release(&file);
		atomic_store(&racer->stopped, false);
		if (complete || upload_writer_open(engine, racer->id, &append, &writer))
			continue;
		for (uint64_t at = append.offset;
		     at < RACE && !r && !atomic_load(&racer->stopped); at += 1000)
			r = upload_writer_put(writer, racer->bytes + at,
					      RACE - at < 1000 ? RACE - at : 1000);
		upload_writer_free(writer);
	}
	return NULL;
}

START_TEST(writers_that_chase_each_other_never_mix_bytes)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(RACE, 6);
	struct file file = engine_create(FILE_PLAIN, "race", RACE);
	struct racer racers[RACERS] = {0};

	for (int i = 0; i < RACERS; i++) {
		racers[i].id = file.id;
		racers[i].bytes = bytes;
		pthread_create(&racers[i].thread, NULL, race, &racers[i]);
	}
	for (int i = 0; i < RACERS; i++)
		pthread_join(racers[i].thread, NULL);
	engine_expect(file.num, bytes, RACE);
	file_release(&file);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_head_stops_the_writer_and_sees_what_it_had,
		a_stopped_writer_puts_what_had_come_but_not_for_long,
		a_writer_that_does_not_stop_is_told_once_more,
		a_new_writer_stops_the_old_one_and_goes_on_behind_it,
		a_termination_stops_the_writer_at_once,
		a_stop_of_the_engine_stops_all_writers_and_takes_no_new_ones,
		writers_that_chase_each_other_never_mix_bytes,
	};

	return RUN_TESTS(tests, engine_setup, engine_teardown);
}
