#ifndef TUSFS_CATALOG_MIGRATIONS_H
#define TUSFS_CATALOG_MIGRATIONS_H

#include "query.h"

/* Brings the schema up to date, in one transaction a version. Refusals: INVALID (made
 * by a newer version), GONE (another program's file). */
MUST_CHECK int catalog_migrate(struct conn *conn);
/* Whether the schema is this version's. Refusals: INVALID and GONE as above; GONE also
 * where there is no schema. */
MUST_CHECK int catalog_is_current(struct conn *conn);

#endif
