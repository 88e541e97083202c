/* A VFS for the connection that writes: the usual one, but for the log, whose frames
 * are gathered and written together. SQLite writes each page and its header by a call
 * of its own: hundreds of them in the commit of one batch. */
#ifndef TUSFS_CATALOG_FRAMES_H
#define TUSFS_CATALOG_FRAMES_H

#define FRAMES_VFS "tusfs-frames"

/* Makes it known to SQLite; once, and after sqlite3_config(). Without memory, opening a
 * connection with it fails. */
void frames_register(void);

#endif
