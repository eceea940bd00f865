#include "broker/egress/upload.h"

#include <stdlib.h>
#include <string.h>

#include "broker/bus/stream.h"

enum crb_status
crb_upload_init(struct crb_upload *upload, int fd,
    const struct crb_msg_job *job, uint8_t *spare, struct crb_err *err)
{
	enum crb_body kind = (enum crb_body)job->body;

	*upload = (struct crb_upload){ .fd = fd,
		.kind = kind,
		.left = kind == CRB_BODY_LENGTH ? job->length : 0,
		.spare = spare,
		.body = CRB_BUF_INIT_WIPED(0) };
	if (crb_judged_body_init(&upload->judged, job, err) != CRB_OK)
		return err->status;
	if (kind != CRB_BODY_NONE &&
	    (upload->packet = malloc(CRB_STREAM_PACKET_MAX)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory for a body");
	return CRB_OK;
}

void
crb_upload_clear(struct crb_upload *upload)
{
	free(upload->packet);
	upload->packet = NULL;
	crb_aws_chunked_free(upload->decoder);
	upload->decoder = NULL;
	crb_buf_clear(&upload->body);
	crb_judged_body_clear(&upload->judged);
}

static enum crb_status
receive(struct crb_upload *upload, uint8_t *packet, struct crb_msg *msg,
    struct crb_err *err)
{
	bool closed;

	if (crb_stream_receive(upload->fd, CRB_ROLE_GATEWAY, CRB_ROLE_EGRESS,
		packet, msg, &closed, err) != CRB_OK)
		return err->status;
	if (closed)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the client went away during its request");
	return CRB_OK;
}

static enum crb_status
take_data(struct crb_upload *upload, const struct crb_slice *data,
    struct crb_err *err)
{
	if (data->len == 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "an empty piece of a body came");
	if (upload->kind == CRB_BODY_LENGTH) {
		if (data->len > upload->left)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a body is longer than was said");
		upload->left -= data->len;
	}
	upload->at = data->p;
	upload->in_hand = data->len;
	return CRB_OK;
}

static enum crb_status
take_end(struct crb_upload *upload, struct crb_err *err)
{
	if (upload->left > 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a body is shorter than was said");
	upload->ended = true;
	return CRB_OK;
}

static enum crb_status
next_packet(struct crb_upload *upload, struct crb_err *err)
{
	struct crb_msg msg;

	if (receive(upload, upload->packet, &msg, err) != CRB_OK)
		return err->status;
	upload->paused = msg.type == CRB_MSG_NONE_;
	if (upload->paused)
		return CRB_OK;
	if (msg.type == CRB_MSG_REQUEST_END)
		return take_end(upload, err);
	if (msg.type == CRB_MSG_REQUEST_BODY)
		return take_data(upload, &msg.request_body.data, err);
	return crb_err_set(err, CRB_ERR_INVALID, "%s came inside of a body",
	    crb_msg_name(msg.type));
}

static enum crb_status
fetch(struct crb_upload *upload, struct crb_err *err)
{
	if (upload->in_hand == 0 && upload->judged.found) {
		upload->at = upload->behind.p;
		upload->in_hand = upload->behind.len;
		upload->behind.len = 0;
		crb_judged_body_clear(&upload->judged);
	}
	if (upload->in_hand > 0 || upload->ended || crb_upload_passed(upload))
		return CRB_OK;
	return next_packet(upload, err);
}

/*
 * The decoder gives the last byte when all has come and was right.  What only
 * said how long a chunk is gives nothing: then there may be more to read.
 */
static enum crb_status
read_decoded(struct crb_upload *upload, char *to, size_t size, size_t *len,
    struct crb_err *err)
{
	struct crb_slice in;
	bool last;

	for (*len = 0; *len == 0 && size > 0;) {
		if (fetch(upload, err) != CRB_OK)
			return err->status;
		if (upload->paused)
			return CRB_OK;
		last = crb_upload_passed(upload);
		in = (struct crb_slice){ upload->at, upload->in_hand };
		if (crb_aws_chunked_feed(
			upload->decoder, &in, to, size, len, err) != CRB_OK)
			return err->status;
		upload->at = in.p;
		upload->in_hand = in.len;
		if (*len == 0 && last)
			return crb_aws_chunked_finish(upload->decoder, err);
	}
	return CRB_OK;
}

static enum crb_status
read_plain(struct crb_upload *upload, char *to, size_t size, size_t *len,
    struct crb_err *err)
{
	if (fetch(upload, err) != CRB_OK)
		return err->status;
	*len = upload->in_hand < size ? upload->in_hand : size;
	if (*len == 0)
		return CRB_OK;
	memcpy(to, upload->at, *len);
	upload->at += *len;
	upload->in_hand -= *len;
	return CRB_OK;
}

enum crb_status
crb_upload_read(struct crb_upload *upload, char *to, size_t size, size_t *len,
    struct crb_err *err)
{
	enum crb_status status = upload->decoder != NULL
	    ? read_decoded(upload, to, size, len, err)
	    : read_plain(upload, to, size, len, err);

	if (status == CRB_OK)
		upload->passed += *len;
	return status;
}

bool
crb_upload_is_held(const struct crb_upload *upload)
{
	return crb_judged_body_due(&upload->judged);
}

/* Of a part that stands before others, nothing more has to be seen. */
static bool
is_seen(const struct crb_upload *upload)
{
	bool ends = crb_upload_passed(upload);

	return crb_judged_body_full(&upload->judged, ends) &&
	    (ends || upload->judged.part == CRB_JUDGED_START);
}

/* More of the body, which has to be part of what was judged. */
static enum crb_status
hold_more(struct crb_upload *upload, struct crb_err *err)
{
	struct crb_slice in;

	if (fetch(upload, err) != CRB_OK)
		return err->status;
	if (upload->paused || is_seen(upload))
		return CRB_OK;
	in = (struct crb_slice){ upload->at, upload->in_hand };
	if (in.len == 0 || crb_judged_body_full(&upload->judged, false))
		return crb_judged_body_differs(err);
	if (crb_judged_body_take(&upload->judged, &in, err) != CRB_OK)
		return err->status;
	upload->at = in.p;
	upload->in_hand = in.len;
	return CRB_OK;
}

enum crb_status
crb_upload_hold(struct crb_upload *upload, bool *right, struct crb_err *err)
{
	struct crb_judged_body *judged = &upload->judged;

	upload->paused = false;
	for (*right = false; !is_seen(upload);) {
		if (hold_more(upload, err) != CRB_OK)
			return err->status;
		if (upload->paused)
			return CRB_OK;
	}
	if (crb_judged_body_check(judged, err) != CRB_OK)
		return err->status;
	upload->behind = (struct crb_slice){ upload->at, upload->in_hand };
	upload->at = judged->bytes.data;
	upload->in_hand = judged->bytes.len;
	*right = true;
	return CRB_OK;
}

/* From here on it is as if it had just come. */
static void
put_back(struct crb_upload *upload)
{
	crb_aws_chunked_free(upload->decoder);
	upload->decoder = NULL;
	upload->at = upload->body.data;
	upload->in_hand = upload->body.len;
	upload->passed = 0;
}

enum crb_status
crb_upload_collect(
    struct crb_upload *upload, size_t most, bool *whole, struct crb_err *err)
{
	size_t len;

	upload->body.max = most;
	upload->paused = false;
	for (*whole = false; !*whole;) {
		char piece[4096];

		if (crb_upload_read(upload, piece, sizeof(piece), &len, err) !=
		    CRB_OK)
			return err->status;
		if (upload->paused)
			return CRB_OK;
		crb_buf_add(&upload->body, piece, len);
		if (upload->body.failed)
			return crb_err_set(err, CRB_ERR_TOO_LARGE,
			    "a body that is signed before it is sent may have "
			    "%zu bytes",
			    most);
		*whole = len == 0;
	}
	put_back(upload);
	return CRB_OK;
}

enum crb_status
crb_upload_end(struct crb_upload *upload, struct crb_err *err)
{
	if (upload->kind != CRB_BODY_NONE)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a request without the body that was said came");
	upload->ended = true;
	return CRB_OK;
}

bool
crb_upload_passed(const struct crb_upload *upload)
{
	return upload->in_hand == 0 && upload->behind.len == 0 &&
	    (upload->ended ||
		(upload->kind != CRB_BODY_CHUNKED && upload->left == 0));
}

enum crb_status
crb_upload_finish(struct crb_upload *upload, struct crb_err *err)
{
	struct crb_msg msg;

	if (upload->ended)
		return CRB_OK;
	if (receive(upload, upload->spare, &msg, err) != CRB_OK)
		return err->status;
	if (msg.type == CRB_MSG_NONE_)
		return CRB_OK;
	if (msg.type != CRB_MSG_REQUEST_END)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s came behind a request", crb_msg_name(msg.type));
	upload->ended = true;
	return CRB_OK;
}
