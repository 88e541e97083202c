/* The handlers that need no body: OPTIONS, HEAD and DELETE (tus 1.0.0). routes.c enters
 * them. The upload itself is the engine's; POST is in create.c, PATCH in append.c and
 * GET in download.c. */
#include "answer.h"
#include "cors.h"

#include <errno.h>
#include <string.h>

#define TUS_EXTENSIONS                                                                 \
	"creation,creation-with-upload,creation-defer-length,expiration,checksum,"     \
	"checksum-trailer,termination,concatenation,concatenation-unfinished"

void options_begin(struct request *request)
{
	uint64_t max_size = request->site->config.max_size;

	answer(request, 204);
	answer_field(request, "Tus-Version", TUS_VERSION);
	answer_field(request, "Tus-Extension", TUS_EXTENSIONS);
	answer_field(request, "Tus-Checksum-Algorithm", DIGEST_NAMES);
	if (max_size)
		answer_field_number(request, "Tus-Max-Size", max_size);
	cors_add_preflight(request);
}

/* As received; only tabs cannot go into an answer, and mean the same as spaces. */
static void add_received(struct request *request, const char *name, char *value)
{
	if (!value)
		return;
	for (char *tab = value; (tab = strchr(tab, '\t'));)
		*tab = ' ';
	answer_field(request, name, value);
}

/* What HEAD tells (tus 1.0.0, HEAD, Creation, Concatenation). */
static void add_state(struct request *request, struct file *file)
{
	if (file->kind != FILE_FINAL || file_is_complete(file))
		answer_field_number(request, "Upload-Offset", file->offset);
	if (file->length_known)
		answer_field_number(request, "Upload-Length", file->length);
	else if (file->kind != FILE_FINAL)
		answer_field(request, "Upload-Defer-Length", "1");
	add_received(request, "Upload-Metadata", file->metadata);
	add_received(request, "Upload-Concat", file->concat);
	answer_expiry(request, file);
}

/* To a client a 5xx means that the upload is lost, and that it must begin anew; so what
 * may be over in a moment is "locked" instead. */
static int head_refusal(int r)
{
	switch (r) {
	case -ENOSPC:
	case -EDQUOT:
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
		return REFUSED_BUSY;
	default:
		return r;
	}
}

/* GET has a length of its own only for what it gives. */
static void answer_head(struct request *request, const struct file *file)
{
	if (request->wire_head)
		answer_head_only(request, 200,
				 file_is_complete(file) ? file->offset
							: ANSWER_NO_LENGTH);
	else
		answer(request, 200);
}

void head_begin(struct request *request)
{
	SCOPED(file_release) struct file file = {0};
	struct uploads *uploads = request->site->uploads;
	int r = request->at_once ? uploads_find_settled(uploads, request->id, &file)
				 : uploads_settle(uploads, request->id, &file);

	if (request->at_once && r == REFUSED_BUSY) {
		request->passed = true;
		return;
	}
	r = head_refusal(r);
	if (r) {
		answer_refusal(request, r);
		return;
	}
	answer_head(request, &file);
	answer_field(request, "Cache-Control", "no-store");
	add_state(request, &file);
}

void delete_begin(struct request *request)
{
	int r = uploads_terminate(request->site->uploads, request->id);

	if (r)
		answer_refusal(request, r);
	else
		answer(request, 204);
}
