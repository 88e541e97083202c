/* The clerk: a thread that commits changes for the front, as many as there are in one
 * transaction; and the teller, a thread that tells the engine's observer of them, if
 * that would wait. They know no socket. */
#ifndef TUSFS_HTTP_CLERK_H
#define TUSFS_HTTP_CLERK_H

#include "job.h"

struct clerk;

/* `done` is called in a thread of these when there is something to collect. */
MUST_CHECK int clerk_start(void (*done)(void *arg), void *arg, struct clerk **clerk);
/* There must be nothing to do. Takes and returns NULL. */
struct clerk *clerk_stop(struct clerk *clerk);
/* Gives it a job that has begun a change, and becomes its own: the change is committed,
 * and the request answered. Thread-safe, as all that follow. */
void clerk_give(struct clerk *clerk, struct job *job);
/* Takes those that are done. */
void clerk_collect(struct clerk *clerk, struct jobs *jobs);
/* Whether what it does now takes so long that others should serve newcomers. */
bool clerk_is_held_up(struct clerk *clerk);

#endif
