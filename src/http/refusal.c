/* What the engine's refusals and failures are in HTTP: the one table from an error to
 * status, code and text (fs/reply.c has the other door's). Entered by whoever has a
 * result that is not 0; what it says is put into an answer by answer.c. */
#include "answer.h"

#include <assert.h>
#include <errno.h>

static void answer_failure(struct request *request, int r)
{
	if (r == -ENOSPC || r == -EDQUOT)
		answer_error(request, 507, "ERR_NO_SPACE", "the disk is full");
	else if (r == -EMFILE || r == -ENFILE)
		answer_error(request, 503, "ERR_OVERLOADED",
			     "too many files are open; try again later");
	else
		answer_error(request, 500, "ERR_INTERNAL_SERVER_ERROR",
			     "the server failed, and its log says why");
}

struct refusal_answer {
	unsigned int status;
	const char *code;
	const char *text;
};

/* No default: a new refusal must not compile until it is answered here. */
static struct refusal_answer refusal_answer(enum refusal refusal)
{
	switch (refusal) {
	case REFUSED_NOT_FOUND:
		return (struct refusal_answer){404, "ERR_UPLOAD_NOT_FOUND",
					       "there is no such upload"};
	case REFUSED_GONE:
		return (struct refusal_answer){410, "ERR_UPLOAD_GONE",
					       "the upload was removed or has expired"};
	case REFUSED_BUSY:
		return (struct refusal_answer){
			423, "ERR_UPLOAD_LOCKED",
			"another request still writes to the upload"};
	case REFUSED_STOPPED:
		return (struct refusal_answer){423, "ERR_UPLOAD_INTERRUPTED",
					       "another request took the upload over, "
					       "or removed it"};
	case REFUSED_OFFSET:
		return (struct refusal_answer){409, "ERR_MISMATCHED_OFFSET",
					       "Upload-Offset is not the offset of the "
					       "upload"};
	case REFUSED_FINAL:
		return (struct refusal_answer){403, "ERR_MODIFY_FINAL",
					       "a final upload takes no bytes"};
	case REFUSED_TOO_LARGE:
		return (struct refusal_answer){
			413, "ERR_UPLOAD_SIZE_EXCEEDED",
			"more bytes than the upload or the server takes"};
	case REFUSED_NO_SPACE:
		return (struct refusal_answer){
			507, "ERR_NO_SPACE", "the server does not have that much room"};
	case REFUSED_LENGTH:
		return (struct refusal_answer){
			400, "ERR_INVALID_UPLOAD_LENGTH",
			"Upload-Length contradicts what is known of the upload"};
	case REFUSED_CHECKSUM:
		return (struct refusal_answer){
			460, "ERR_CHECKSUM_MISMATCH",
			"the bytes do not match the checksum, and were dropped"};
	case REFUSED_PART:
		return (struct refusal_answer){
			400, "ERR_INVALID_CONCAT",
			"a part is not a partial upload of this server"};
	case REFUSED_EXISTS:
	case REFUSED_NOT_EMPTY:
		return (struct refusal_answer){409, "ERR_CONFLICT",
					       "the name is taken"};
	case REFUSED_PERMISSION:
		return (struct refusal_answer){403, "ERR_FORBIDDEN",
					       "this is not allowed"};
	case REFUSED_NOT_FOLDER:
	case REFUSED_IS_FOLDER:
	case REFUSED_NAME:
	case REFUSED_INVALID:
		break;
	}
	return (struct refusal_answer){400, "ERR_INVALID_REQUEST",
				       "a value is missing or malformed"};
}

void answer_refusal(struct request *request, int r)
{
	struct refusal_answer is;

	assert(r != 0);
	if (r < 0) {
		answer_failure(request, r);
		return;
	}
	is = refusal_answer((enum refusal)r);
	answer_error(request, is.status, is.code, "%s", is.text);
}
