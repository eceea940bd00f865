#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "broker/egress/request.h"

/* Of libcurl's own words; a certificate's subject may stand in them. */
#define REASON_MAX 200

enum form {
	PLAIN,     /* "HOST what" */
	WHAT_HOST, /* "what HOST" */
	REASON,    /* "HOST what: libcurl's reason" */
};

static const struct failure {
	CURLcode code;
	enum crb_status status;
	enum form form;
	const char *what;
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, CRB_ERR_UPSTREAM, WHAT_HOST,
	    "could not resolve" },
	{ CURLE_COULDNT_RESOLVE_PROXY, CRB_ERR_UPSTREAM, WHAT_HOST,
	    "could not resolve the proxy on the way to" },
	{ CURLE_PEER_FAILED_VERIFICATION, CRB_ERR_UPSTREAM, REASON,
	    "has a certificate that is not trusted" },
	{ CURLE_SSL_CONNECT_ERROR, CRB_ERR_UPSTREAM, REASON,
	    "could not agree on TLS" },
	{ CURLE_SSL_CACERT_BADFILE, CRB_ERR_INVALID, WHAT_HOST,
	    "the parameter ca holds no usable certificate for" },
	{ CURLE_OPERATION_TIMEDOUT, CRB_ERR_TIMEOUT, PLAIN,
	    "could not be reached in time" },
	{ CURLE_GOT_NOTHING, CRB_ERR_UPSTREAM, PLAIN,
	    "closed the connection without an answer" },
	{ CURLE_PARTIAL_FILE, CRB_ERR_UPSTREAM, PLAIN,
	    "closed the connection early" },
	{ CURLE_SEND_ERROR, CRB_ERR_UPSTREAM, PLAIN,
	    "closed the connection early" },
	{ CURLE_SEND_FAIL_REWIND, CRB_ERR_UPSTREAM, PLAIN,
	    "closed the connection early" },
	{ CURLE_RECV_ERROR, CRB_ERR_UPSTREAM, REASON,
	    "closed the connection early" },
	{ CURLE_PROXY, CRB_ERR_UPSTREAM, REASON,
	    "cannot be reached through the proxy" },
	{ CURLE_UNSUPPORTED_PROTOCOL, CRB_ERR_UPSTREAM, PLAIN,
	    "did not answer in HTTP/1" },
	{ CURLE_WEIRD_SERVER_REPLY, CRB_ERR_UPSTREAM, PLAIN,
	    "did not answer in HTTP/1" },
	{ CURLE_OUT_OF_MEMORY, CRB_ERR_NOMEM, WHAT_HOST,
	    "no memory for a request to" },
};

static enum crb_status
refused_address(const struct crb_request *request, struct crb_err *err)
{
	const char *class = crb_address_class_name(request->class);

	if (!request->tls)
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "%s is at %s (%s): in clear text a secret goes to a "
		    "loopback address only; use https",
		    request->host, class, request->address);
	return crb_err_set(err, CRB_ERR_UPSTREAM,
	    "%s is at %s (%s), which the credential's parameter \"network\" "
	    "does not allow",
	    request->host, class, request->address);
}

static enum crb_status
refused_connection(const struct crb_request *request, struct crb_err *err)
{
	long number = 0;
	const char *why = NULL;

	(void)curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &number);
	if (number == ECONNREFUSED)
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "%s refused the connection", request->host);
	why = strerrordesc_np((int)number);
	return crb_err_set(err, CRB_ERR_UPSTREAM, "could not connect to %s: %s",
	    request->host, number != 0 && why != NULL ? why : "no route");
}

static enum crb_status
refused_by_proxy(const struct crb_request *request, CURLcode code, long status,
    struct crb_err *err)
{
	if (status != 0)
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "the proxy does not let us through to %s (HTTP %ld)",
		    request->host, status);
	return crb_err_set(err, CRB_ERR_UPSTREAM,
	    "could not connect to the proxy on the way to %s: %s",
	    request->host, curl_easy_strerror(code));
}

/* What the proxy answered to CONNECT, other than yes; 0: nothing. */
static long
proxy_status(const struct crb_request *request)
{
	long status = 0;

	if (request->proxied)
		(void)curl_easy_getinfo(
		    request->easy, CURLINFO_HTTP_CONNECTCODE, &status);
	return status >= 200 && status < 300 ? 0 : status;
}

static enum crb_status
describe(const struct crb_request *request, const struct failure *failure,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf reason = CRB_BUF_INIT(4 * REASON_MAX + 8);

	switch (failure->form) {
	case PLAIN:
		return crb_err_set(err, failure->status, "%s %s", request->host,
		    failure->what);
	case WHAT_HOST:
		return crb_err_set(err, failure->status, "%s %s", failure->what,
		    request->host);
	case REASON:
		break;
	}
	crb_text_escape(
	    &reason, request->reason, strlen(request->reason), REASON_MAX);
	return crb_err_set(err, failure->status, "%s %s: %s", request->host,
	    failure->what, crb_buf_text(&reason));
}

enum crb_status
crb_request_failure(
    const struct crb_request *request, CURLcode code, struct crb_err *err)
{
	long status = proxy_status(request);
	const struct failure other = { code, CRB_ERR_UPSTREAM, REASON,
		"could not be asked" };

	if (request->vetoed &&
	    (code == CURLE_COULDNT_CONNECT ||
		code == CURLE_ABORTED_BY_CALLBACK))
		return refused_address(request, err);
	if (status != 0 || (request->proxied && code == CURLE_COULDNT_CONNECT))
		return refused_by_proxy(request, code, status, err);
	if (code == CURLE_COULDNT_CONNECT)
		return refused_connection(request, err);
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (failures[i].code == code)
			return describe(request, &failures[i], err);
	}
	return describe(request, &other, err);
}
