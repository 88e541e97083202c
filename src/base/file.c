#include "tusfs/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void file_release(struct file *file)
{
	free(file->metadata);
	free(file->concat);
	memset(file, 0, sizeof(*file));
}

int file_copy(const struct file *file, struct file *copy)
{
	struct file made = *file;

	made.metadata = file->metadata ? strdup(file->metadata) : NULL;
	made.concat = file->concat ? strdup(file->concat) : NULL;
	if (!made.metadata != !file->metadata || !made.concat != !file->concat) {
		file_release(&made);
		return failure(-ENOMEM, "copy what is known of an upload");
	}
	*copy = made;
	return 0;
}
