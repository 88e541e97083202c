/* Where an upload is, as the client has to ask for it. */
#ifndef TUSFS_HTTP_LOCATION_H
#define TUSFS_HTTP_LOCATION_H

#include "request.h"

/* Adds Location for the request's upload: a path, which is right behind any proxy, or a
 * URL if the configuration wants it and the request tells its authority. */
void location_add(struct request *request);

#endif
