#include "tusfs/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#define LINE_MAX_BYTES 2048

static atomic_bool use_syslog;
static bool show_debug;

void log_to_syslog(void)
{
	openlog("tusfs", LOG_PID, LOG_DAEMON);
	use_syslog = true;
}

void log_set_debug(bool on)
{
	show_debug = on;
}

static const char *prefix_of(int priority)
{
	if (priority == LOG_WARNING)
		return "tusfs: warning: ";
	if (priority == LOG_DEBUG)
		return "tusfs: debug: ";
	return "tusfs: ";
}

/* Clients choose names that end up in messages: one must not forge a line. */
static void disarm(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

/* One write(2) a line, so that lines of different threads do not mix. */
static void write_line(char *line, size_t length)
{
	line[length] = '\n';
	while (write(STDERR_FILENO, line, length + 1) < 0 && errno == EINTR)
		;
}

static void PRINTF_LIKE(2, 0) print(int priority, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	int saved_errno = errno;
	size_t start;

	/* One byte stays free for the newline that replaces the NUL. */
	start = (size_t)snprintf(line, sizeof(line), "%s", prefix_of(priority));
	if (vsnprintf(line + start, sizeof(line) - start, format, args) < 0)
		return;
	disarm(line + start);
	if (use_syslog)
		syslog(priority, "%s", line + start);
	else
		write_line(line, strlen(line));
	errno = saved_errno;
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(LOG_ERR, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(LOG_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(LOG_INFO, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	if (!show_debug)
		return;
	va_start(args, format);
	print(LOG_DEBUG, format, args);
	va_end(args);
}
