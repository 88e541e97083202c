#include "location.h"

#include "answer.h"

#include "tusfs/http_text.h"

#include <stdio.h>
#include <strings.h>

#define AUTHORITY_SIZE 256

/* What the proxy was asked: Forwarded (RFC 7239) wins over its forerunners. */
static bool forwarded(const struct request *request, const char *parameter,
		      enum field forerunner, char value[AUTHORITY_SIZE])
{
	const char *modern = request_field(request, FIELD_FORWARDED);
	const char *old = request_field(request, forerunner);

	if (!request->site->config.trust_proxy)
		return false;
	return (modern && http_forwarded(modern, parameter, value, AUTHORITY_SIZE)) ||
	       (old && http_list_first(old, value, AUTHORITY_SIZE));
}

static bool find_authority(const struct request *request, char value[AUTHORITY_SIZE])
{
	const char *host = request_field(request, FIELD_HOST);

	if (forwarded(request, "host", FIELD_X_FORWARDED_HOST, value) &&
	    http_authority_valid(value))
		return true;
	return host && http_authority_valid(host) &&
	       snprintf(value, AUTHORITY_SIZE, "%s", host) < AUTHORITY_SIZE;
}

static bool is_https(const struct request *request)
{
	char scheme[AUTHORITY_SIZE];

	return forwarded(request, "proto", FIELD_X_FORWARDED_PROTO, scheme) &&
	       strcasecmp(scheme, "https") == 0;
}

void location_add(struct request *request)
{
	const struct site *site = request->site;
	char authority[AUTHORITY_SIZE], id[UPLOAD_ID_DIGITS + 1];
	SCOPED(scoped_free) char *text = NULL;
	bool absolute =
		site->config.absolute_location && find_authority(request, authority);
	int r;

	upload_id_format(request->id, id);
	r = asprintf(&text, "%s%s%s%s",
		     !absolute		 ? ""
		     : is_https(request) ? "https://"
					 : "http://",
		     absolute ? authority : "", site->config.base_path, id);
	if (r < 0)
		text = NULL;
	else
		answer_field(request, "Location", text);
}
