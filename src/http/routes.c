/* Which handler serves a request, by method and target: one table. Entered when
 * framing.c has accepted the head, and for a change of the front's once more, by the
 * clerk, when it is committed. Refuses what has no handler or is not tus 1.0.0, and
 * leaves all else to tus.c, create.c, append.c and download.c. */
#include "answer.h"

#include <string.h>

struct route {
	const char *method;
	enum target target;
	bool versioned; /* tus 1.0.0, Tus-Resumable: needed, or not processed */
	void (*begin)(struct request *request);
	bool at_once; /* the front may serve it */
	void (*end)(struct request *request, int r, const struct file *file);
};

static const struct route routes[] = {
	{.method = "OPTIONS",
	 .target = TARGET_BASE,
	 .begin = options_begin,
	 .at_once = true},
	{.method = "OPTIONS",
	 .target = TARGET_UPLOAD,
	 .begin = options_begin,
	 .at_once = true},
	{.method = "POST",
	 .target = TARGET_BASE,
	 .begin = post_begin,
	 .versioned = true,
	 .at_once = true,
	 .end = post_end},
	{.method = "HEAD",
	 .target = TARGET_UPLOAD,
	 .begin = head_begin,
	 .versioned = true,
	 .at_once = true},
	{.method = "PATCH",
	 .target = TARGET_UPLOAD,
	 .begin = patch_begin,
	 .versioned = true,
	 .at_once = true,
	 .end = patch_end},
	{.method = "DELETE",
	 .target = TARGET_UPLOAD,
	 .begin = delete_begin,
	 .versioned = true},
	{.method = "GET", .target = TARGET_UPLOAD, .begin = get_begin},
};

static const struct route *find_route(const struct request *request)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (routes[i].target == request->target &&
		    strcmp(routes[i].method, request->method) == 0)
			return &routes[i];
	return NULL;
}

static void refuse_method(struct request *request)
{
	answer_error(request, 405, "ERR_METHOD_NOT_ALLOWED",
		     "this URL does not take that method");
	answer_field(request, "Allow",
		     request->target == TARGET_BASE
			     ? "OPTIONS, POST"
			     : "OPTIONS, HEAD, PATCH, DELETE, GET");
}

static bool accept_version(struct request *request)
{
	const char *version = request_field(request, FIELD_TUS_RESUMABLE);

	if (version && strcmp(version, TUS_VERSION) == 0)
		return true;
	answer_error(request, 412, "ERR_UNSUPPORTED_VERSION",
		     "Tus-Resumable must be " TUS_VERSION);
	answer_field(request, "Tus-Version", TUS_VERSION);
	return false;
}

void routes_begin(struct request *request)
{
	const struct route *route = find_route(request);

	if (request->target == TARGET_NONE)
		answer_refusal(request, REFUSED_NOT_FOUND);
	else if (!route)
		refuse_method(request);
	else if (!route->versioned || accept_version(request))
		route->begin(request);
}

bool routes_at_once(const struct request *request)
{
	const struct route *route = find_route(request);

	return route && route->at_once && (route->end || !request_has_body(request));
}

bool routes_commits(const struct request *request)
{
	return find_route(request)->end;
}

void routes_end(struct request *request)
{
	SCOPED(file_release) struct file file = {0};
	int r = upload_change_end(STEAL(request->change), &file);

	find_route(request)->end(request, r, &file);
}
