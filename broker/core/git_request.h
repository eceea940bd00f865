#ifndef CRB_GIT_REQUEST_H
#define CRB_GIT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "broker/bus/messages.h"

/*
 * A request of git's smart HTTP protocol (gitprotocol-http(5)): what is asked
 * of which repository.  Nothing is decided here but whether the request is one
 * that the broker understands exactly.
 */
#define CRB_AUTHORITY_MAX 260 /* 253 of a host, ":65535" */
#define CRB_REPOSITORY_MAX 512

struct crb_git_request {
	enum crb_git_operation operation;
	char authority[CRB_AUTHORITY_MAX + 1];   /* "localhost:8443" */
	char repository[CRB_REPOSITORY_MAX + 1]; /* "acme/api" */
	struct crb_slice path;                   /* "/acme/api.git/info/refs" */
	struct crb_slice query; /* "service=git-upload-pack"; empty for POST */
};

/*
 * `target` is "HOST[:PORT]/PATH" as it stood behind "/git/", `query` what
 * stood behind "?", or NULL when there was no "?".  Slices of *out are borrowed
 * from both.  The authority is in lower case, its port without leading zeros
 * and never checked against the host's default: the caller compares the whole
 * string.  The repository is the path without a leading "/" and without one
 * ".git" at its end.
 *
 * CRB_ERR_INVALID: malformed.  CRB_ERR_DENIED: a part of git that is not
 * supported, and what to do instead.  Also on failure out->operation says what
 * was tried, as far as method and path tell; the rest is empty then.
 */
CRB_NODISCARD enum crb_status crb_git_request_parse(struct crb_slice method,
    struct crb_slice target, const struct crb_slice *query,
    struct crb_git_request *out, struct crb_err *err);

/* What is sent upstream: the path and the query as they were judged. */
void crb_git_request_target(
    const struct crb_git_request *request, struct crb_buf *out);

/* What its body is, and nothing else may be; "" when it has none. */
const char *crb_git_operation_type(enum crb_git_operation operation);

/* The value of the attribute "git" that it needs: "fetch", "push"; or NULL. */
const char *crb_git_operation_choice(enum crb_git_operation operation);

#endif /* !CRB_GIT_REQUEST_H */
