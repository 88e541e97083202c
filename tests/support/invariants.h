/* What must be true of every store between two calls of the engine, whatever failed
 * before. It reads the catalog and the blobs itself, past the engine. */
#ifndef SUPPORT_INVARIANTS_H
#define SUPPORT_INVARIANTS_H

/* Asserts all of it of the store in the folder `path`, which may be open. */
void invariants_hold(const char *path);

#endif
