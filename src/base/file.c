#include "tusfs/file.h"

#include <stdlib.h>
#include <string.h>

void file_release(struct file *file)
{
	free(file->metadata);
	free(file->concat);
	memset(file, 0, sizeof(*file));
}
