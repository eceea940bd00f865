#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sigv4_canonical.h"
#include "base/cleanup.h"
#include "broker/core/aws_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "METHOD\nSERVICE\nREGION\nTARGET[?QUERY]" */
static struct crb_slice
next(struct crb_slice *rest, char separator)
{
	struct crb_slice piece = { "", 0 };

	if (rest->p != NULL)
		(void)crb_slice_cut(rest, separator, &piece);
	return piece;
}

static bool
is_below(struct crb_slice part, struct crb_slice whole)
{
	return part.p >= whole.p && part.p + part.len <= whole.p + whole.len;
}

/* What was accepted is signed as what it is: nothing in it is read anew. */
static void
check_signed(const struct crb_aws_request *request, const char *target)
{
	CRB_AUTO_BUF struct crb_buf canonical = CRB_BUF_INIT(
	    CRB_SIGV4_CANONICAL_MAX);
	CRB_AUTO_BUF struct crb_buf names = CRB_BUF_INIT(
	    CRB_SIGV4_CANONICAL_MAX);
	struct crb_sign_request sign = { .method = "GET",
		.host = "localhost",
		.target = target,
		.service = request->service,
		.region = request->region,
		.payload = "UNSIGNED-PAYLOAD",
		.headers = "" };
	struct crb_err err;

	if (crb_sigv4_canonical(&sign, "", &canonical, &names, &err) != CRB_OK)
		return; /* too many parameters */
	/* An object's path is its own canonical form. */
	if (crb_sigv4_is_s3(request->service) &&
	    (strncmp(canonical.data + 4, request->path.p, request->path.len) !=
		    0 ||
		canonical.data[4 + request->path.len] != '\n'))
		abort();
}

/* No parameter of a presigned request. */
static void
check_query(struct crb_slice query)
{
	struct crb_slice rest = query, piece;

	while (rest.len > 0 && crb_slice_cut(&rest, '&', &piece)) {
		if (piece.len >= 6 && strncasecmp(piece.p, "x-amz-", 6) == 0)
			abort();
	}
}

static void
check(const struct crb_msg_exchange *msg, const struct crb_aws_request *request)
{
	CRB_AUTO_BUF struct crb_buf target = CRB_BUF_INIT(2 * CRB_TARGET_MAX);
	const char *text;

	crb_aws_request_target(request, &target);
	text = crb_buf_text(&target);
	if (target.failed || text[0] != '/' ||
	    !crb_name_ok(request->credential))
		abort();
	if (request->path.len > 1 && !is_below(request->path, msg->target))
		abort();
	for (size_t i = 0; i < target.len; i++) {
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '#' ||
		    text[i] == '\\')
			abort();
	}
	if (strstr(text, "/../") != NULL || strstr(text, "/./") != NULL ||
	    strncmp(text, "//", 2) == 0 ||
	    strcasestr(text, "?x-amz-") != NULL ||
	    (crb_sigv4_is_s3(request->service) &&
		(strcasestr(text, "%2f") != NULL && msg->query.len == 0)))
		abort();
	check_query(request->query);
	check_signed(request, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice rest = { (const char *)data, size };
	struct crb_msg_exchange msg = { .route = CRB_ROUTE_HTTP };
	struct crb_aws_request request;
	struct crb_err err = { .status = CRB_OK };

	msg.method = next(&rest, '\n');
	msg.service = next(&rest, '\n');
	msg.region = next(&rest, '\n');
	msg.target = next(&rest, '?');
	msg.has_query = rest.p != NULL;
	msg.query = rest.p != NULL ? rest : (struct crb_slice){ "", 0 };
	if (msg.service.len > CRB_SERVICE_MAX ||
	    msg.region.len > CRB_REGION_MAX ||
	    memchr(msg.service.p, '\0', msg.service.len) != NULL ||
	    memchr(msg.region.p, '\0', msg.region.len) != NULL ||
	    memchr(msg.target.p, '\0', msg.target.len) != NULL ||
	    memchr(msg.query.p, '\0', msg.query.len) != NULL)
		return 0; /* the bus has no such message */
	if (crb_aws_request_parse(&msg, &request, &err) == CRB_OK)
		check(&msg, &request);
	else if (err.status == CRB_OK || err.msg[0] == '\0')
		abort();
	return 0;
}
