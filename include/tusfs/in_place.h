/* Files that are written in place. */
#ifndef TUSFS_IN_PLACE_H
#define TUSFS_IN_PLACE_H

/* Asks a file system that would write elsewhere what is overwritten (btrfs) to write
 * it in place, so that the room that a file has can be used again on a full disk. It
 * does so only for a file that is empty, and keeps no checksums of it then. Others
 * write in place anyway; that it cannot be had is no error. */
void write_in_place(int fd);

#endif
