/* What the daemon's child processes have in common. */
#ifndef TUSFS_FS_CHILD_H
#define TUSFS_FS_CHILD_H

#include <sys/types.h>

/* First call in a child that was forked by `parent`, before it had threads. From then
 * on nothing of the daemon's lives on in the child, except for `fd` (-1: nothing),
 * whose new number it returns; signals that are meant for the daemon are ignored, and
 * `death_signal` comes when the daemon's main thread has ended. */
int child_begin(const char *name, pid_t parent, int death_signal, int fd);

#endif
