#include "tusfs/error.h"

#include "tusfs/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Everything is on the stack: memory may be what just ran out. */
int failure(int negative_errno, const char *what, ...)
{
	char text[1024], reason[128];
	va_list args;

	assert(negative_errno < 0);
	va_start(args, what);
	vsnprintf(text, sizeof(text), what, args);
	va_end(args);
	log_error("%s: %s", text, strerror_r(-negative_errno, reason, sizeof(reason)));
	return negative_errno;
}
