/* A copy of the catalog appears under its name when it is whole. */
#include "tusfs/catalog_check.h"
#include "tusfs/check.h"
#include "tusfs/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int sync_folder_of(const char *file)
{
	SCOPED(scoped_free) char *folder = strdup(file);
	SCOPED(scoped_close) int fd = -1;
	char *end;

	if (!folder)
		return failure(-ENOMEM, "sync the folder of %s", file);
	end = strrchr(folder, '/');
	if (end)
		end[1] = '\0';
	fd = open(end ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return failure(-errno, "sync the folder of %s", file);
	return 0;
}

static int make_temporary(const char *file, char **name)
{
	SCOPED(scoped_free) char *made = NULL;
	SCOPED(scoped_close) int fd = -1;

	if (asprintf(&made, "%s.XXXXXX", file) < 0) {
		made = NULL;
		return failure(-ENOMEM, "make %s", file);
	}
	fd = mkostemp(made, O_CLOEXEC);
	if (fd < 0)
		return failure(-errno, "make %s", made);
	*name = STEAL(made);
	return 0;
}

int check_backup(const char *store, const char *file)
{
	SCOPED(scoped_free) char *catalog = NULL;
	SCOPED(scoped_free) char *temporary = NULL;
	int r;

	if (asprintf(&catalog, "%s/" STORE_CATALOG, store) < 0) {
		catalog = NULL;
		return failure(-ENOMEM, "copy the catalog");
	}
	if (access(catalog, F_OK) < 0)
		return failure(-errno, "%s", catalog);
	r = make_temporary(file, &temporary);
	if (r)
		return r;
	r = catalog_copy(catalog, temporary);
	if (!r && rename(temporary, file) < 0)
		r = failure(-errno, "rename %s to %s", temporary, file);
	if (r) {
		unlink(temporary);
		return r;
	}
	return sync_folder_of(file);
}
