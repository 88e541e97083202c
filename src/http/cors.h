/* What browsers on other origins need (Fetch standard, CORS protocol). */
#ifndef TUSFS_HTTP_CORS_H
#define TUSFS_HTTP_CORS_H

#include "request.h"

/* Adds what every answer to a browser needs, if there is an Origin and CORS is on. */
void cors_add(struct request *request);
/* Adds what the answer to a preflight needs. */
void cors_add_preflight(struct request *request);

#endif
