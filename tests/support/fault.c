#include "fault.h"

#include <errno.h>
#include <stdatomic.h>

/* Calls left before the one that fails; below 0 once it did, or while unarmed. */
static atomic_int calls_left = -1;
static atomic_bool fired;
static int fault_error;

void fault_arm(int nth, int error)
{
	fault_error = error;
	atomic_store(&fired, false);
	atomic_store(&calls_left, nth);
}

bool fault_fired(void)
{
	atomic_store(&calls_left, -1);
	return atomic_exchange(&fired, false);
}

bool fault_now(void)
{
	int left = atomic_load(&calls_left);

	while (left >= 0) {
		if (!atomic_compare_exchange_weak(&calls_left, &left, left - 1))
			continue;
		if (left > 0)
			return false;
		atomic_store(&fired, true);
		errno = fault_error;
		return true;
	}
	return false;
}
