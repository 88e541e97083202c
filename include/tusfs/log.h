/* The log: one line an event, to standard error while in the foreground, to syslog(3)
 * in the background. Thread-safe. */
#ifndef TUSFS_LOG_H
#define TUSFS_LOG_H

#include "tusfs/scoped.h"

#include <stdbool.h>

/* From now on log to syslog with the facility LOG_DAEMON. */
void log_to_syslog(void);
/* Whether debug lines are printed. Call before threads start. */
void log_set_debug(bool on);

void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
