#include "broker/core/aws_request.h"

#include <string.h>

#include "backends/aws_action.h"
#include "backends/sigv4_canonical.h"
#include "broker/core/target.h"

_Static_assert(CRB_AWS_CREDENTIAL_MAX >= 64, "a credential's name");

/* Of an object, whose requests the audit log tells by their parameters. */
#define PARAMETERS_MAX 16u
#define PRESIGNED                                                         \
	"a presigned request is not injected; sign in the Authorization " \
	"header, not in the query"

/*
 * Parameters with which a request is signed in its query, or with which an
 * address for objects answers with keys.  A name that ends in '-' stands for
 * all that start with it.  In lower case.
 */
static const struct {
	const char *name;
	bool objects; /* of S3 and its like only */
	const char *why;
} refused[] = {
	{ "x-amz-", false, PRESIGNED },
	{ "signature", false, PRESIGNED },
	{ "awsaccesskeyid", false, PRESIGNED },
	{ "action", true,
	    "an action of another service is not injected at an address for "
	    "objects" },
	{ "session", true,
	    "a session of S3 Express is not injected: it has keys of its own" },
};

static bool
is_named(struct crb_slice name, const char *listed)
{
	if (listed[strlen(listed) - 1] != '-')
		return crb_slice_is_nocase(name, listed);
	return crb_slice_starts_nocase(name, listed);
}

/* Names have no escaped letters, so nothing is hidden from this. */
static enum crb_status
check_parameters(const struct crb_aws_request *request, struct crb_err *err)
{
	struct crb_slice rest = request->query, piece, name;
	bool objects = crb_sigv4_is_s3(request->service);

	for (size_t count = 1;
	     rest.len > 0 && crb_slice_cut(&rest, '&', &piece); count++) {
		if (objects && count > PARAMETERS_MAX)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "more than %u parameters, which nothing of %s has",
			    PARAMETERS_MAX, request->service);
		(void)crb_slice_cut(&piece, '=', &name);
		for (size_t i = 0; i < sizeof(refused) / sizeof(*refused);
		     i++) {
			if (refused[i].objects && !objects)
				continue;
			if (is_named(name, refused[i].name))
				return crb_err_set(
				    err, CRB_ERR_DENIED, "%s", refused[i].why);
		}
	}
	return CRB_OK;
}

/*
 * Keys may be asked for in the query, or by a path: "/GetRoleCredentials",
 * "/service/Sts/operation/AssumeRole".
 */
static enum crb_status
check_action(const struct crb_aws_request *request, struct crb_err *err)
{
	struct crb_slice rest = request->path, segment;

	if (crb_sigv4_is_s3(request->service))
		return CRB_OK;
	while (rest.p != NULL && crb_slice_cut(&rest, '/', &segment)) {
		if (crb_aws_action_check(segment, err) != CRB_OK)
			return err->status;
	}
	return crb_aws_action_check_text(request->query, true, err);
}

/* "NAME[/PATH]": the credential that it names, and the path behind it. */
static enum crb_status
take_name(struct crb_slice target, char out[CRB_AWS_CREDENTIAL_MAX + 1],
    struct crb_slice *path, struct crb_err *err)
{
	struct crb_slice rest = target, name;

	(void)crb_slice_cut(&rest, '/', &name);
	if (name.len == 0 ||
	    !crb_slice_copy(name, out, CRB_AWS_CREDENTIAL_MAX + 1))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a request is /http/NAME/PATH, and the credential's name "
		    "is missing or too long");
	if (!crb_name_ok(out))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a request is /http/NAME/PATH, and the name is not one of "
		    "a credential");
	*path = rest.p != NULL ? (struct crb_slice){ rest.p - 1, rest.len + 1 }
			       : (struct crb_slice){ "/", 1 };
	return CRB_OK;
}

static enum crb_status
take_scope(const struct crb_msg_exchange *msg, struct crb_aws_request *out,
    struct crb_err *err)
{
	if (msg->service.len == 0 || msg->region.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a request to %s has to be signed (AWS4-HMAC-SHA256, with "
		    "any keys): what it is signed for says where it goes",
		    out->credential);
	/* The message's own bounds are these. */
	memcpy(out->service, msg->service.p, msg->service.len);
	memcpy(out->region, msg->region.p, msg->region.len);
	out->service[msg->service.len] = '\0';
	out->region[msg->region.len] = '\0';
	return CRB_OK;
}

/*
 * At the address of a service for objects, what is sent to "/" is not about
 * objects: some have STS and IAM there, whose answers are keys.
 */
static enum crb_status
check_root(const struct crb_msg_exchange *msg,
    const struct crb_aws_request *request, struct crb_err *err)
{
	if (!crb_sigv4_is_s3(request->service) || request->path.len > 1 ||
	    crb_slice_is(msg->method, "GET") ||
	    crb_slice_is(msg->method, "HEAD"))
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_DENIED,
	    "%.16s of the service itself is not injected; name a bucket",
	    request->service);
}

static enum crb_status
check_body(const struct crb_msg_exchange *msg,
    const struct crb_aws_request *request, struct crb_err *err)
{
	if (msg->body > CRB_BODY_CHUNKED ||
	    (msg->body != CRB_BODY_NONE &&
		(crb_slice_is(msg->method, "GET") ||
		    crb_slice_is(msg->method, "HEAD"))))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a GET or HEAD has no body");
	if (msg->body == CRB_BODY_LENGTH &&
	    !crb_sigv4_is_s3(request->service) &&
	    msg->length > CRB_AWS_BODY_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a body for %s may have %u bytes, since it is signed "
		    "before it is sent",
		    request->service, CRB_AWS_BODY_MAX);
	return CRB_OK;
}

static enum crb_status
check_method(struct crb_slice method, struct crb_err *err)
{
	static const char *const known[] = { "GET", "HEAD", "PUT", "POST",
		"DELETE", "PATCH" };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (crb_slice_is(method, known[i]))
			return CRB_OK;
	}
	return crb_err_set(err, CRB_ERR_INVALID, "no method of an API");
}

static enum crb_status
check_target(const struct crb_aws_request *request, struct crb_err *err)
{
	struct crb_slice path = { request->path.p + 1, request->path.len - 1 };
	enum crb_status status;

	status = crb_sigv4_is_s3(request->service)
	    ? crb_target_check_object(path, err)
	    : crb_target_check_signed_path(path, err);
	if (status != CRB_OK)
		return status;
	return crb_target_check_signed_query(request->query, err);
}

enum crb_status
crb_aws_request_parse(const struct crb_msg_exchange *msg,
    struct crb_aws_request *out, struct crb_err *err)
{
	struct crb_aws_request request = { .query = { "", 0 } };

	if (msg->has_query != 0)
		request.query = msg->query;
	if (check_method(msg->method, err) != CRB_OK ||
	    take_name(msg->target, request.credential, &request.path, err) !=
		CRB_OK ||
	    take_scope(msg, &request, err) != CRB_OK ||
	    check_target(&request, err) != CRB_OK ||
	    check_parameters(&request, err) != CRB_OK ||
	    check_action(&request, err) != CRB_OK ||
	    check_root(msg, &request, err) != CRB_OK ||
	    check_body(msg, &request, err) != CRB_OK)
		return err->status;
	*out = request;
	return CRB_OK;
}

void
crb_aws_request_target(
    const struct crb_aws_request *request, struct crb_buf *out)
{
	crb_buf_add(out, request->path.p, request->path.len);
	if (request->query.len > 0) {
		crb_buf_char(out, '?');
		crb_buf_add(out, request->query.p, request->query.len);
	}
}
