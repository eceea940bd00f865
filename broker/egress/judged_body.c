#include "broker/egress/judged_body.h"

#include <string.h>

#include <sodium.h>

/* What a pack begins with: gitformat-pack(5). */
static const char pack[] = { 'P', 'A', 'C', 'K' };

_Static_assert(
    CRB_JUDGED_MAX >= CRB_COMMANDS_MAX && CRB_JUDGED_MAX >= CRB_HELD_MAX,
    "what the core can be shown must fit");

enum crb_status
crb_judged_body_differs(struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_DENIED,
	    "what was sent is not what was judged: nothing of it went "
	    "upstream");
}

static bool
is_sound(const struct crb_msg_job *job)
{
	return job->judged <= CRB_JUDGED_WHOLE &&
	    job->judged_length <= CRB_JUDGED_MAX &&
	    job->judged_hash.len == crypto_hash_sha256_BYTES &&
	    (job->judged != CRB_JUDGED_START || job->judged_length > 0);
}

/* Where the whole body's length is known, it must fit. */
static bool
can_match(const struct crb_msg_job *job)
{
	uint64_t length = job->body == CRB_BODY_LENGTH ? job->length : 0;

	if (job->body == CRB_BODY_CHUNKED)
		return true;
	return job->judged == CRB_JUDGED_WHOLE ? length == job->judged_length
					       : length >= job->judged_length;
}

static size_t
most(const struct crb_judged_body *judged)
{
	return judged->length +
	    (judged->part == CRB_JUDGED_START ? sizeof(pack) : 0);
}

enum crb_status
crb_judged_body_init(struct crb_judged_body *judged,
    const struct crb_msg_job *job, struct crb_err *err)
{
	*judged = (struct crb_judged_body){ .bytes = CRB_BUF_INIT(0) };
	if (job->judged == CRB_JUDGED_NOTHING)
		return CRB_OK;
	if (!is_sound(job))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "job: what was judged of its body");
	if (!can_match(job))
		return crb_judged_body_differs(err);
	judged->part = (enum crb_judged)job->judged;
	judged->length = job->judged_length;
	judged->bytes.max = most(judged);
	memcpy(judged->hash, job->judged_hash.p, sizeof(judged->hash));
	return CRB_OK;
}

void
crb_judged_body_clear(struct crb_judged_body *judged)
{
	crb_buf_clear(&judged->bytes);
}

bool
crb_judged_body_due(const struct crb_judged_body *judged)
{
	return judged->part != CRB_JUDGED_NOTHING && !judged->found;
}

bool
crb_judged_body_full(const struct crb_judged_body *judged, bool ends)
{
	return judged->bytes.len == most(judged) ||
	    (ends && judged->bytes.len == judged->length);
}

enum crb_status
crb_judged_body_take(struct crb_judged_body *judged, struct crb_slice *bytes,
    struct crb_err *err)
{
	size_t lack = most(judged) - judged->bytes.len;
	size_t len = bytes->len < lack ? bytes->len : lack;

	crb_buf_add(&judged->bytes, bytes->p, len);
	if (judged->bytes.failed)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory for a body");
	bytes->p += len;
	bytes->len -= len;
	return CRB_OK;
}

enum crb_status
crb_judged_body_check(struct crb_judged_body *judged, struct crb_err *err)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	const char *bytes = crb_buf_text(&judged->bytes);

	if (!crb_judged_body_full(judged, true))
		return crb_judged_body_differs(err);
	(void)crypto_hash_sha256(hash, (const uint8_t *)bytes, judged->length);
	if (memcmp(hash, judged->hash, sizeof(hash)) != 0 ||
	    (judged->bytes.len > judged->length &&
		memcmp(bytes + judged->length, pack, sizeof(pack)) != 0))
		return crb_judged_body_differs(err);
	judged->found = true;
	return CRB_OK;
}
