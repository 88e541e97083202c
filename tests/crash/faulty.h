/* The machine, made to fail: what the engine and SQLite ask of it is counted, and one
 * call of the kinds that a mode names fails, or all from one on. A program that has
 * this in it must be linked with WRAP ${FAULTY_MEMORY}. For one thread. */
#ifndef CRASH_FAULTY_H
#define CRASH_FAULTY_H

#include <stdbool.h>

enum faulty_kind {
	FAULTY_MEMORY = 1,
	FAULTY_OPEN = 2,
	FAULTY_READ = 4,
	FAULTY_WRITE = 8, /* and what changes a file's size */
	FAULTY_SYNC = 16,
	FAULTY_NAME = 32, /* what makes and removes files and folders */
	FAULTY_LOOK = 64, /* fstat, fstatvfs, getrandom, flock */
	FAULTY_DISK =
		FAULTY_OPEN | FAULTY_READ | FAULTY_WRITE | FAULTY_SYNC | FAULTY_LOOK,
};

enum faulty_way {
	FAULTY_ONCE,
	FAULTY_ON,    /* and every call after it */
	FAULTY_SHORT, /* a write writes half; nothing else can fail so */
	FAULTY_KILL,  /* the process is killed before the call */
};

struct faulty_mode {
	const char *name;
	int kinds; /* of enum faulty_kind */
	enum faulty_way way;
	int error;
	bool harmless; /* nobody may notice */
};

/* Before SQLite is used, and before any fork. */
void faulty_install(void);
/* From now on the call number `nth` of the mode's kinds fails. */
void faulty_arm(const struct faulty_mode *mode, int nth);
/* Ends it; whether it came to that. */
bool faulty_disarm(void);
/* How many calls of its kinds came since it was armed. */
int faulty_calls(void);
/* The call to fail after `nth`: the next one. With a sanitizer, which takes its time,
 * there are gaps, one call longer every `gap` calls. */
int faulty_next(int nth, int gap);

#endif
