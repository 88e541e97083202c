/* What users do with the engine, each as a flow that can be tried again after it
 * failed, as a client would. */
#ifndef CRASH_FLOWS_H
#define CRASH_FLOWS_H

#include <stdbool.h>
#include <stddef.h>

struct flow {
	const char *name;
	/* What must be there before; asserts. */
	void (*prepare)(void);
	/* 0, a negative errno, or the refusal that was not expected. Done again after a
	 * failure it goes on from where that left it. */
	int (*run)(void);
	/* What is so once it succeeded; asserts. */
	void (*check)(void);
	/* It makes an upload, which nobody knows of when no answer came. */
	bool makes;
};

extern const struct flow flows[];
extern const size_t flows_count;

/* Removes what a flow has left, but not the store. */
void flows_clean(void);

#endif
