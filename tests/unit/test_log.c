#include "tusfs/log.h"

#include "run.h"
#include "tusfs/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int log_fd = -1;
static int stderr_fd = -1;

/* Standard error becomes one end of a pipe. A packet pipe: one read() gives what one
 * write() wrote. */
static void catch_log(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_DIRECT | O_NONBLOCK), 0);
	stderr_fd = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
	close(ends[1]);
	log_fd = ends[0];
}

static void release_log(void)
{
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	close(log_fd);
}

/* The next write(2), as text; empty when there was none. */
static const char *next_write(void)
{
	static char text[4096];
	ssize_t got = read(log_fd, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

START_TEST(each_message_is_one_line_in_one_write)
{
	log_error("cannot %s", "stand");
	log_warning("%d left", 3);
	log_info("ready");
	ck_assert_str_eq(next_write(), "tusfs: cannot stand\n");
	ck_assert_str_eq(next_write(), "tusfs: warning: 3 left\n");
	ck_assert_str_eq(next_write(), "tusfs: ready\n");
	ck_assert_str_eq(next_write(), "");
}
END_TEST

START_TEST(debug_lines_come_only_when_asked_for)
{
	log_debug("one");
	ck_assert_str_eq(next_write(), "");
	log_set_debug(true);
	log_debug("two");
	log_set_debug(false);
	log_debug("three");
	ck_assert_str_eq(next_write(), "tusfs: debug: two\n");
	ck_assert_str_eq(next_write(), "");
}
END_TEST

START_TEST(a_name_cannot_forge_a_line_or_drive_a_terminal)
{
	log_info("name %s", "a\ntusfs: b\x1b[2J\x7f\t\xc3\xa9");
	ck_assert_str_eq(next_write(), "tusfs: name a?tusfs: b?[2J??\xc3\xa9\n");
}
END_TEST

START_TEST(a_long_message_is_cut_and_stays_one_line)
{
	char name[5000];
	const char *line;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	log_info("%s", name);
	line = next_write();
	ck_assert_uint_gt(strlen(line), 1000);
	ck_assert_uint_lt(strlen(line), sizeof(name));
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
	ck_assert_str_eq(next_write(), "");
}
END_TEST

START_TEST(a_failure_says_what_and_why_and_returns_its_errno)
{
	ck_assert_int_eq(failure(-ENOSPC, "write %s", "blob"), -ENOSPC);
	ck_assert_str_eq(next_write(), "tusfs: write blob: No space left on device\n");
}
END_TEST

START_TEST(logging_leaves_errno_alone)
{
	errno = EDOM;
	log_info("anything");
	ck_assert_int_eq(errno, EDOM);
	close(STDERR_FILENO);
	errno = ERANGE;
	log_info("nobody listens");
	ck_assert_int_eq(errno, ERANGE);
}
END_TEST

START_TEST(syslog_takes_the_lines_away_from_standard_error)
{
	log_to_syslog();
	log_info("not here");
	ck_assert_str_eq(next_write(), "");
}
END_TEST

int main(void)
{
	/* The last two leave traces in the process where CK_FORK=no. */
	const TTest *tests[] = {
		each_message_is_one_line_in_one_write,
		debug_lines_come_only_when_asked_for,
		a_name_cannot_forge_a_line_or_drive_a_terminal,
		a_long_message_is_cut_and_stays_one_line,
		a_failure_says_what_and_why_and_returns_its_errno,
		logging_leaves_errno_alone,
		syslog_takes_the_lines_away_from_standard_error,
	};

	return RUN_TESTS(tests, catch_log, release_log);
}
