#include "broker/egress/signing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "backends/aws_action.h"
#include "backends/sigv4.h"
#include "backends/sigv4_canonical.h"
#include "base/cleanup.h"
#include "base/units.h"
#include "broker/bus/aws_payload.h"
#include "broker/bus/headers.h"
#include "broker/egress/judged_body.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define UNSIGNED "UNSIGNED-PAYLOAD"
#define CODING "aws-chunked"

/* Sent, and not signed: what a proxy may change, or that nobody checks. */
static const char *const not_covered[] = { "accept", "accept-language",
	"user-agent" };

/* What the request says of its body, and what is said of it upstream. */
struct head {
	struct crb_slice payload, length, trailer, encoding, type, target;
};

/* Headers that are not passed on as they are. */
enum special {
	SPECIAL_NONE,
	SPECIAL_PAYLOAD,
	SPECIAL_LENGTH,
	SPECIAL_TRAILER,
	SPECIAL_ENCODING,
	SPECIAL_ALGORITHM,
};

static const struct {
	const char *name;
	enum special special;
} specials[] = {
	{ "x-amz-content-sha256", SPECIAL_PAYLOAD },
	{ "x-amz-decoded-content-length", SPECIAL_LENGTH },
	{ "x-amz-trailer", SPECIAL_TRAILER },
	{ "content-encoding", SPECIAL_ENCODING },
	{ "x-amz-sdk-checksum-algorithm", SPECIAL_ALGORITHM },
};

static enum crb_status
copy_text(char *to, size_t size, struct crb_slice from, struct crb_err *err)
{
	if (!crb_slice_copy(from, to, size))
		return crb_err_set(err, CRB_ERR_INVALID, "job: a field");
	return CRB_OK;
}

static enum crb_status
copy_bound(
    struct crb_signing *signing, struct crb_slice hash, struct crb_err *err)
{
	if (hash.len == 0)
		return CRB_OK;
	if (hash.len != sizeof(signing->headers))
		return crb_err_set(err, CRB_ERR_INVALID, "job: judged_headers");
	signing->bound = true;
	memcpy(signing->headers, hash.p, sizeof(signing->headers));
	return CRB_OK;
}

static enum crb_status
find_backend(struct crb_signing *signing, const struct crb_msg_job *msg,
    struct crb_err *err)
{
	char kind[33];

	if (copy_text(kind, sizeof(kind), msg->backend, err) != CRB_OK ||
	    crb_backend_find(kind, &signing->backend, err) != CRB_OK)
		return err->status;
	if (signing->backend->sign == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "backend %s does not sign", signing->backend->kind);
	return CRB_OK;
}

enum crb_status
crb_signing_init(struct crb_signing *signing, const struct crb_msg_job *msg,
    struct crb_err *err)
{
	*signing = (struct crb_signing){
		.body = (enum crb_body)msg->body,
		.whole = msg->judged == CRB_JUDGED_WHOLE,
		.private = msg->tls || msg->network == CRB_NETWORK_LOOPBACK,
		.plain = CRB_BUF_INIT(CRB_HEADERS_MAX),
		.covered = CRB_BUF_INIT(CRB_HEADERS_MAX),
	};
	if (find_backend(signing, msg, err) != CRB_OK ||
	    copy_text(signing->method, sizeof(signing->method), msg->method,
		err) != CRB_OK ||
	    copy_text(signing->service, sizeof(signing->service), msg->service,
		err) != CRB_OK ||
	    copy_text(signing->region, sizeof(signing->region), msg->region,
		err) != CRB_OK ||
	    copy_text(signing->type, sizeof(signing->type), msg->content_type,
		err) != CRB_OK ||
	    copy_bound(signing, msg->judged_headers, err) != CRB_OK)
		return err->status;
	if ((signing->target = crb_slice_dup(msg->target)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory to sign");
	return crb_secret_copy(
	    msg->secret.p, msg->secret.len, &signing->keys, err);
}

void
crb_signing_clear(struct crb_signing *signing)
{
	crb_secret_free(signing->keys);
	signing->keys = NULL;
	free(signing->target);
	signing->target = NULL;
	crb_buf_clear(&signing->plain);
	crb_buf_clear(&signing->covered);
}

static enum special
special_of(struct crb_slice name)
{
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		if (crb_slice_is(name, specials[i].name))
			return specials[i].special;
	}
	return SPECIAL_NONE;
}

static void
add_line(struct crb_buf *block, struct crb_slice name, struct crb_slice value)
{
	crb_buf_add(block, name.p, name.len);
	crb_buf_str(block, ": ");
	crb_buf_add(block, value.p, value.len);
	crb_buf_char(block, '\n');
}

static void
pass(struct crb_signing *signing, const struct crb_header *header)
{
	for (size_t i = 0; i < sizeof(not_covered) / sizeof(not_covered[0]);
	     i++) {
		if (crb_slice_is(header->name, not_covered[i])) {
			add_line(&signing->plain, header->name, header->value);
			return;
		}
	}
	add_line(&signing->covered, header->name, header->value);
}

/* A name that is there twice would be signed as one. */
static bool
is_repeated(const struct crb_header *headers, size_t count)
{
	struct crb_slice last = headers[count - 1].name;

	for (size_t i = 0; i + 1 < count; i++) {
		if (headers[i].name.len == last.len &&
		    memcmp(headers[i].name.p, last.p, last.len) == 0)
			return true;
	}
	return false;
}

static enum crb_status
read_block(struct crb_slice block, struct crb_header *headers, size_t *count,
    struct crb_err *err)
{
	bool more = true;

	for (*count = 0;; ++*count) {
		struct crb_header header;

		if (crb_headers_next(&block, &header, &more, err) != CRB_OK)
			return err->status;
		if (!more)
			return CRB_OK;
		if (*count == CRB_HEADERS_COUNT_MAX)
			return crb_err_set(
			    err, CRB_ERR_INVALID, "too many headers came");
		if (!crb_header_request_ok(CRB_ROUTE_HTTP, header.name))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a header came that is not on the list");
		headers[*count] = header;
		if (is_repeated(headers, *count + 1))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the header %.*s is there more than once",
			    (int)header.name.len, header.name.p);
	}
}

static enum crb_status
take_length(
    struct crb_signing *signing, struct crb_slice value, struct crb_err *err)
{
	if (value.p == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a body in chunks needs x-amz-decoded-content-length");
	if (crb_number_parse(
		value.p, value.len, INT64_MAX, &signing->length, err) != CRB_OK)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "x-amz-decoded-content-length is no number of bytes");
	return CRB_OK;
}

static enum crb_status
take_chunked(struct crb_signing *signing, const struct head *head, bool trailer,
    struct crb_err *err)
{
	signing->chunked = true;
	(void)snprintf(signing->payload, sizeof(signing->payload), UNSIGNED);
	if (signing->body == CRB_BODY_NONE)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a body in chunks did not come");
	if (trailer != (head->trailer.p != NULL))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "x-amz-trailer and x-amz-content-sha256 say different "
		    "things of the body");
	if (head->trailer.p != NULL &&
	    copy_text(signing->trailer, sizeof(signing->trailer), head->trailer,
		err) != CRB_OK)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "x-amz-trailer is too long");
	for (char *c = signing->trailer; *c != '\0'; c++)
		*c = crb_text_lower(*c);
	return take_length(signing, head->length, err);
}

/* An object: what the client says of its body, if it may be so. */
static enum crb_status
take_object(
    struct crb_signing *signing, const struct head *head, struct crb_err *err)
{
	enum crb_aws_payload payload;

	if (head->payload.p == NULL && signing->body != CRB_BODY_NONE)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a body for %s needs x-amz-content-sha256",
		    signing->service);
	if (head->payload.p == NULL)
		return CRB_OK;
	if (crb_aws_payload_parse(head->payload, &payload, err) != CRB_OK)
		return err->status;
	if (payload != CRB_AWS_PAYLOAD_HASH && !signing->private)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "a body that is not signed does not go over a network in "
		    "clear text");
	if (payload == CRB_AWS_PAYLOAD_CHUNKED ||
	    payload == CRB_AWS_PAYLOAD_TRAILER)
		return take_chunked(
		    signing, head, payload == CRB_AWS_PAYLOAD_TRAILER, err);
	if (signing->body == CRB_BODY_CHUNKED)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s takes no body of which the length is not known; send "
		    "Content-Length",
		    signing->service);
	return copy_text(
	    signing->payload, sizeof(signing->payload), head->payload, err);
}

/* "aws-chunked" is undone here, and so not said; what else there is, stays. */
static enum crb_status
pass_encoding(
    struct crb_signing *signing, struct crb_slice value, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf left = CRB_BUF_INIT(CRB_HEADERS_MAX);
	struct crb_slice piece;
	bool found = false;

	while (value.p != NULL && crb_slice_cut(&value, ',', &piece)) {
		piece = crb_slice_trim(piece, " \t");
		if (crb_slice_is_nocase(piece, CODING)) {
			found = true;
			continue;
		}
		if (piece.len == 0)
			continue;
		crb_buf_str(&left, left.len > 0 ? ", " : "");
		crb_buf_add(&left, piece.p, piece.len);
	}
	if (found && !signing->chunked)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "x-amz-content-sha256 does not say that the body is " CODING);
	if (left.len > 0)
		add_line(&signing->covered, CRB_SLICE("content-encoding"),
		    CRB_SLICE(crb_buf_text(&left)));
	return crb_buf_check(&left, "content-encoding", err);
}

static void
take_special(struct head *head, enum special special, struct crb_slice value)
{
	if (special == SPECIAL_PAYLOAD)
		head->payload = value;
	else if (special == SPECIAL_LENGTH)
		head->length = value;
	else if (special == SPECIAL_TRAILER)
		head->trailer = value;
	else if (special == SPECIAL_ENCODING)
		head->encoding = value;
}

/* What a service other than S3 is asked for, as far as headers tell. */
static enum crb_status
take_action(
    struct crb_signing *signing, const struct head *head, struct crb_err *err)
{
	static const char form[] = "application/x-www-form-urlencoded";

	signing->form = crb_slice_starts_nocase(head->type, form);
	if ((signing->form || head->type.p == NULL) &&
	    signing->body != CRB_BODY_NONE && head->encoding.len > 0)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "a form that is packed (Content-Encoding) is not "
		    "injected: nobody can see what it asks for");
	if (head->target.p == NULL)
		return CRB_OK;
	return crb_aws_action_check_target(head->target, err);
}

static enum crb_status
take_body(
    struct crb_signing *signing, const struct head *head, struct crb_err *err)
{
	bool object = crb_sigv4_is_s3(signing->service);

	signing->told = head->payload.p != NULL;
	if ((object ? take_object(signing, head, err)
		    : take_action(signing, head, err)) != CRB_OK)
		return err->status;
	if (!signing->chunked &&
	    (head->length.p != NULL || head->trailer.p != NULL))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "headers of a body in chunks came without one");
	if (signing->body == CRB_BODY_NONE && signing->payload[0] == '\0')
		(void)snprintf(
		    signing->payload, sizeof(signing->payload), EMPTY);
	return pass_encoding(signing, head->encoding, err);
}

/* Whatever the client says now; or none. */
static struct crb_slice
judged_type(const struct crb_signing *signing)
{
	if (signing->type[0] == '\0')
		return (struct crb_slice){ NULL, 0 };
	return CRB_SLICE(signing->type);
}

/* Nothing but what somebody has seen goes upstream. */
static enum crb_status
check_bound(const struct crb_signing *signing, struct crb_slice block,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf bound = CRB_BUF_INIT(CRB_HEADERS_MAX);
	uint8_t hash[crypto_hash_sha256_BYTES];

	if (!signing->bound)
		return CRB_OK;
	if (crb_headers_bound(block, &bound, err) != CRB_OK)
		return err->status;
	(void)crypto_hash_sha256(
	    hash, (const uint8_t *)crb_buf_text(&bound), bound.len);
	return memcmp(hash, signing->headers, sizeof(hash)) == 0
	    ? CRB_OK
	    : crb_judged_body_differs(err);
}

enum crb_status
crb_signing_head(
    struct crb_signing *signing, struct crb_slice block, struct crb_err *err)
{
	struct crb_header headers[CRB_HEADERS_COUNT_MAX];
	struct head head = { .payload = { NULL, 0 } };
	size_t count;

	if (read_block(block, headers, &count, err) != CRB_OK ||
	    check_bound(signing, block, err) != CRB_OK)
		return err->status;
	for (size_t i = 0; i < count; i++) {
		take_special(
		    &head, special_of(headers[i].name), headers[i].value);
		if (crb_slice_is(headers[i].name, "content-type"))
			head.type = headers[i].value;
		else if (crb_slice_is(headers[i].name, "x-amz-target"))
			head.target = headers[i].value;
	}
	if (signing->whole)
		head.type = judged_type(signing);
	if (take_body(signing, &head, err) != CRB_OK)
		return err->status;
	for (size_t i = 0; i < count; i++) {
		enum special special = special_of(headers[i].name);

		if (signing->whole &&
		    crb_slice_is(headers[i].name, "content-type"))
			continue;
		/* Without a checksum beside it, it is an error. */
		if (special == SPECIAL_NONE ||
		    (special == SPECIAL_ALGORITHM && !signing->chunked))
			pass(signing, &headers[i]);
	}
	if (signing->whole && head.type.p != NULL)
		add_line(
		    &signing->covered, CRB_SLICE("content-type"), head.type);
	if (crb_buf_check(&signing->plain, "the headers", err) != CRB_OK)
		return err->status;
	return crb_buf_check(&signing->covered, "the headers", err);
}

enum crb_status
crb_signing_finish(struct crb_signing *signing, const char *host,
    struct crb_slice body, int64_t now, struct crb_buf *out,
    struct crb_err *err)
{
	struct crb_sign_request request = { .method = signing->method,
		.host = host,
		.target = signing->target,
		.service = signing->service,
		.region = signing->region,
		.payload = signing->payload,
		.now = now };
	enum crb_status status;

	if (!crb_sigv4_is_s3(signing->service) &&
	    crb_aws_action_check_text(body, signing->form, err) != CRB_OK)
		return err->status;
	if (signing->payload[0] == '\0')
		crb_sigv4_hash(body.p, body.len, signing->payload);
	/* Of S3 it is the signer's own. */
	if (signing->told && !crb_sigv4_is_s3(signing->service))
		add_line(&signing->covered, CRB_SLICE("x-amz-content-sha256"),
		    CRB_SLICE(signing->payload));
	if (crb_buf_check(&signing->covered, "the headers", err) != CRB_OK)
		return err->status;
	request.headers = crb_buf_text(&signing->covered);
	crb_buf_add(out, signing->plain.data, signing->plain.len);
	crb_buf_add(out, signing->covered.data, signing->covered.len);
	status = signing->backend->sign(signing->keys, &request, out, err);
	crb_secret_free(signing->keys);
	signing->keys = NULL;
	if (status != CRB_OK)
		return status;
	return crb_buf_check(out, "the headers", err);
}
