#include "broker/egress/request.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "broker/bus/headers.h"

#define CURL_BUFFER (64L << 10)
/* TLS gives no more at once, and a buffer costs its wiping. */
#define CURL_BUFFER_TLS (16L << 10)
#define KEPT_SECONDS 30L /* a connection that nobody uses */
#define URL_MAX_BYTES 1024
#define WORD CRB_LOWER CRB_UPPER CRB_DIGITS

/* The core has judged it; this keeps a mistake there from becoming another
 * request here. */
static enum crb_status
check_job(const struct crb_msg_job *job, struct crb_err *err)
{
	if (job->method.len == 0 ||
	    !crb_slice_consists(job->method, WORD "-_") ||
	    crb_slice_is_nocase(job->method, "CONNECT"))
		return crb_err_set(err, CRB_ERR_INVALID, "job: method");
	if (job->host.len == 0 || !crb_slice_consists(job->host, WORD ".-:[]_"))
		return crb_err_set(err, CRB_ERR_INVALID, "job: host");
	if (!crb_slice_starts(job->target, "/"))
		return crb_err_set(err, CRB_ERR_INVALID, "job: target");
	for (size_t i = 0; i < job->target.len; i++) {
		if (job->target.p[i] <= ' ' || job->target.p[i] > '~' ||
		    job->target.p[i] == '#')
			return crb_err_set(err, CRB_ERR_INVALID, "job: target");
	}
	if (!crb_header_value_ok(job->content_type))
		return crb_err_set(err, CRB_ERR_INVALID, "job: content type");
	if (job->port == 0 || job->tls > 1 ||
	    job->network > CRB_NETWORK_LOOPBACK ||
	    job->body > CRB_BODY_CHUNKED || job->length > INT64_MAX)
		return crb_err_set(err, CRB_ERR_INVALID, "job: a field");
	return CRB_OK;
}

/* "github.com", "localhost:8443", "[::1]:80" */
static void
name_host(struct crb_request *request, const struct crb_msg_job *job)
{
	bool bare = memchr(job->host.p, ':', job->host.len) != NULL &&
	    job->host.p[0] != '[';
	int len = snprintf(request->host, sizeof(request->host), "%s%.*s%s",
	    bare ? "[" : "", (int)job->host.len, job->host.p, bare ? "]" : "");

	if (job->port != (job->tls ? 443 : 80) && len > 0)
		(void)snprintf(request->host + len,
		    sizeof(request->host) - (size_t)len, ":%u", job->port);
}

static bool
vet(struct crb_request *request, const struct sockaddr *address, socklen_t len)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (request->proxied)
		return true;
	request->class = crb_address_classify(address, len);
	if (crb_address_ok(request->class, request->network, request->tls))
		return true;
	request->vetoed = true;
	request->address[0] = '\0';
	if (address->sa_family == AF_INET && len >= sizeof(in)) {
		memcpy(&in, address, sizeof(in));
		(void)inet_ntop(AF_INET, &in.sin_addr, request->address,
		    sizeof(request->address));
	} else if (address->sa_family == AF_INET6 && len >= sizeof(in6)) {
		memcpy(&in6, address, sizeof(in6));
		(void)inet_ntop(AF_INET6, &in6.sin6_addr, request->address,
		    sizeof(request->address));
	}
	return false;
}

static curl_socket_t
open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct crb_request *request = ctx;

	if (purpose != CURLSOCKTYPE_IPCXN ||
	    !vet(request, &address->addr, address->addrlen))
		return CURL_SOCKET_BAD;
	return socket(address->family,
	    address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    address->protocol);
}

static int
before_request(
    void *ctx, char *remote, char *local, int remote_port, int local_port)
{
	struct crb_request *request = ctx;
	struct sockaddr_storage address;
	socklen_t len;

	(void)local;
	(void)remote_port;
	(void)local_port;
	if (request->proxied)
		return CURL_PREREQFUNC_OK;
	if (!crb_address_parse(remote, &address, &len) ||
	    !vet(request, (const struct sockaddr *)&address, len))
		return CURL_PREREQFUNC_ABORT;
	return CURL_PREREQFUNC_OK;
}

/* libcurl's options are a list of (option, value): one failure is enough. */
#define SET(option, value)                                              \
	(failed |= curl_easy_setopt(easy, CURLOPT_##option, (value)) != \
		CURLE_OK)

static enum crb_status
taken(bool failed, struct crb_err *err)
{
	if (failed)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libcurl does not take its options");
	return CRB_OK;
}

static enum crb_status
set_fixed(struct crb_request *request, const struct crb_request_limits *limits,
    struct crb_err *err)
{
	CURL *easy = request->easy;
	bool failed = false;

	SET(PROTOCOLS_STR, "http,https");
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(HTTP09_ALLOWED, 0L);
	SET(FOLLOWLOCATION, 0L);
	SET(DISALLOW_USERNAME_IN_URL, 1L);
	SET(NETRC, (long)CURL_NETRC_IGNORED);
	SET(HTTP_CONTENT_DECODING, 0L);
	SET(NOSIGNAL, 1L);
	/* Else a resolver thread would be waited for when a job is ended. */
	SET(QUICK_EXIT, 1L);
	SET(NOPROGRESS, 1L);
	SET(BUFFERSIZE, request->tls ? CURL_BUFFER_TLS : CURL_BUFFER);
	SET(UPLOAD_BUFFERSIZE, CURL_BUFFER);
	SET(MAXAGE_CONN, KEPT_SECONDS);
	SET(TCP_KEEPALIVE, 1L);
	SET(CONNECTTIMEOUT_MS, limits->connect_ms);
	SET(ERRORBUFFER, request->reason);
	SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(SSL_VERIFYPEER, 1L);
	SET(SSL_VERIFYHOST, 2L);
	SET(OPENSOCKETFUNCTION, open_socket);
	SET(OPENSOCKETDATA, request);
	SET(PREREQFUNCTION, before_request);
	SET(PREREQDATA, request);
	return taken(failed, err);
}

static enum crb_status
set_trust(struct crb_request *request, const struct crb_msg_job *job,
    struct crb_trust *trust, struct crb_err *err)
{
	CURL *easy = request->easy;
	struct curl_blob blob = { .len = job->ca.len, .flags = CURL_BLOB_COPY };
	bool failed = false;

	if (!request->tls)
		return CRB_OK;
	if (job->ca.len == 0)
		return crb_trust_system(trust, easy, err);
	/* libcurl copies it. */
	memcpy(&blob.data, &job->ca.p, sizeof(blob.data));
	SET(CAINFO, NULL);
	SET(CAPATH, NULL);
	SET(CAINFO_BLOB, &blob);
	return taken(failed, err);
}

static enum crb_status
set_proxy(struct crb_request *request, const struct crb_msg_job *job,
    struct crb_err *err)
{
	CURL *easy = request->easy;
	CRB_AUTO_BUF struct crb_buf url = CRB_BUF_INIT_WIPED(1024);
	bool failed = false;

	request->proxied = job->proxy.len > 0 && request->tls &&
	    request->network != CRB_NETWORK_LOOPBACK;
	if (request->proxied)
		crb_buf_add(&url, job->proxy.p, job->proxy.len);
	/* For TLS libcurl asks it for a tunnel.  An empty one keeps it from
	 * looking for one by itself. */
	SET(PROXY, crb_buf_text(&url));
	SET(NOPROXY, "");
	SET(SUPPRESS_CONNECT_HEADERS, 1L);
	return taken(failed || url.failed, err);
}

static void
add_query(struct crb_buf *target, const struct crb_injection *injection)
{
	bool has_query = memchr(target->data, '?', target->len) != NULL;

	crb_buf_printf(target, "%c%s=", has_query ? '&' : '?', injection->name);
	crb_buf_add(target, crb_secret_bytes(injection->value),
	    crb_secret_len(injection->value));
}

static enum crb_status
set_target(struct crb_request *request, const struct crb_msg_job *job,
    const struct crb_injection *injection, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf url = CRB_BUF_INIT(URL_MAX_BYTES);
	CRB_AUTO_BUF struct crb_buf target = CRB_BUF_INIT_WIPED(128u << 10);
	CURL *easy = request->easy;
	bool failed = false;

	crb_buf_printf(
	    &url, "http%s://%s/", request->tls ? "s" : "", request->host);
	crb_buf_add(&target, job->target.p, job->target.len);
	if (injection->query && !target.failed)
		add_query(&target, injection);
	if (crb_buf_check(&url, "the origin", err) != CRB_OK ||
	    crb_buf_check(&target, "the target", err) != CRB_OK)
		return err->status;
	SET(URL, crb_buf_text(&url));
	SET(REQUEST_TARGET, crb_buf_text(&target));
	return taken(failed, err);
}

/* Methods for which a missing body is an empty one, and has to be said. */
static bool
always_has_body(struct crb_slice method)
{
	return crb_slice_is(method, "POST") || crb_slice_is(method, "PUT") ||
	    crb_slice_is(method, "PATCH");
}

static enum crb_status
set_method(struct crb_request *request, const struct crb_msg_job *job,
    struct crb_err *err)
{
	CURL *easy = request->easy;
	bool failed = false;
	char method[17];

	(void)snprintf(method, sizeof(method), "%.*s", (int)job->method.len,
	    job->method.p);
	if (job->body != CRB_BODY_NONE || always_has_body(job->method)) {
		SET(UPLOAD, 1L);
		SET(INFILESIZE_LARGE,
		    job->body == CRB_BODY_CHUNKED    ? (curl_off_t)-1
			: job->body == CRB_BODY_NONE ? (curl_off_t)0
						     : (curl_off_t)job->length);
	} else if (crb_slice_is(job->method, "HEAD")) {
		SET(NOBODY, 1L);
	}
	SET(CUSTOMREQUEST, method);
	return taken(failed, err);
}

static enum crb_status
add_line(struct crb_request *request, const char *line, struct crb_err *err)
{
	struct curl_slist *longer = curl_slist_append(request->headers, line);

	if (longer == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory for headers");
	request->headers = longer;
	return CRB_OK;
}

static enum crb_status
inject(struct crb_request *request, const struct crb_injection *injection,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT_WIPED(128u << 10);

	if (injection->query)
		return CRB_OK;
	(void)snprintf(request->injected, sizeof(request->injected), "%s",
	    injection->name);
	crb_buf_printf(&line, "%s: ", injection->name);
	crb_buf_add(&line, crb_secret_bytes(injection->value),
	    crb_secret_len(injection->value));
	if (crb_buf_check(&line, "the injected header", err) != CRB_OK)
		return err->status;
	return add_line(request, crb_buf_text(&line), err);
}

/*
 * What is judged as git must be git to the upstream, too: a path of some API
 * that ends like git's does not take a body of this type.
 */
static enum crb_status
set_content_type(struct crb_request *request, const struct crb_msg_job *job,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(256);

	if (job->content_type.len == 0)
		return CRB_OK;
	request->typed = true;
	crb_buf_str(&line, "content-type: ");
	crb_buf_add(&line, job->content_type.p, job->content_type.len);
	if (crb_buf_check(&line, "the content type", err) != CRB_OK)
		return err->status;
	return add_line(request, crb_buf_text(&line), err);
}

/* All but what is sent. */
static enum crb_status
prepare(struct crb_request *request, const struct crb_msg_job *job,
    struct crb_trust *trust, const struct crb_request_limits *limits,
    struct crb_err *err)
{
	*request = (struct crb_request){ .tls = job->tls,
		.route = (enum crb_route_kind)job->route,
		.network = (enum crb_network)job->network };
	if (check_job(job, err) != CRB_OK)
		return err->status;
	name_host(request, job);
	if ((request->easy = curl_easy_init()) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a request");
	if (set_fixed(request, limits, err) != CRB_OK ||
	    set_trust(request, job, trust, err) != CRB_OK)
		return err->status;
	return set_proxy(request, job, err);
}

enum crb_status
crb_request_init(struct crb_request *request, const struct crb_msg_job *job,
    const struct crb_injection *injection, struct crb_trust *trust,
    const struct crb_request_limits *limits, struct crb_err *err)
{
	if (prepare(request, job, trust, limits, err) != CRB_OK ||
	    set_target(request, job, injection, err) != CRB_OK ||
	    set_method(request, job, err) != CRB_OK ||
	    set_content_type(request, job, err) != CRB_OK)
		return err->status;
	return inject(request, injection, err);
}

/* libcurl connects, and agrees on TLS, and is done. */
static enum crb_status
set_probe(struct crb_request *request, const struct crb_request_limits *limits,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf url = CRB_BUF_INIT(URL_MAX_BYTES);
	CURL *easy = request->easy;
	bool failed = false;

	crb_buf_printf(
	    &url, "http%s://%s/", request->tls ? "s" : "", request->host);
	if (crb_buf_check(&url, "the origin", err) != CRB_OK)
		return err->status;
	SET(URL, crb_buf_text(&url));
	SET(CONNECT_ONLY, 1L);
	SET(TIMEOUT_MS, limits->connect_ms);
	return taken(failed, err);
}

enum crb_status
crb_request_init_probe(struct crb_request *request,
    const struct crb_msg_probe *probe, struct crb_trust *trust,
    const struct crb_request_limits *limits, struct crb_err *err)
{
	/* Vetted and set up as a request there would be. */
	const struct crb_msg_job job = {
		.method = CRB_SLICE("GET"),
		.target = CRB_SLICE("/"),
		.content_type = CRB_SLICE(""),
		.tls = probe->tls,
		.host = probe->host,
		.port = probe->port,
		.network = probe->network,
		.ca = probe->ca,
		.proxy = probe->proxy,
	};

	if (prepare(request, &job, trust, limits, err) != CRB_OK)
		return err->status;
	return set_probe(request, limits, err);
}

enum crb_status
crb_request_init_own(struct crb_request *request, const struct crb_msg_job *job,
    struct crb_trust *trust, const struct crb_request_limits *limits,
    struct crb_err *err)
{
	static const struct crb_injection none = { .query = false };

	if (prepare(request, job, trust, limits, err) != CRB_OK ||
	    set_target(request, job, &none, err) != CRB_OK)
		return err->status;
	return set_method(request, job, err);
}

void
crb_request_clear(struct crb_request *request)
{
	curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	request->easy = NULL;
	request->headers = NULL;
}

static enum crb_status
add_header(struct crb_request *request, const struct crb_header *header,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT_WIPED(
	    CRB_HEADERS_MAX + CRB_HEADER_NAME_MAX);

	crb_buf_add(&line, header->name.p, header->name.len);
	crb_buf_str(&line, ": ");
	crb_buf_add(&line, header->value.p, header->value.len);
	if (crb_buf_check(&line, "a header", err) != CRB_OK)
		return err->status;
	return add_line(request, crb_buf_text(&line), err);
}

static enum crb_status
add_listed(struct crb_request *request, const struct crb_header *header,
    struct crb_err *err)
{
	if (!crb_header_request_ok(request->route, header->name))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a header came that is not on the list");
	/* These have been set. */
	if (crb_slice_is_nocase(header->name, request->injected) ||
	    (request->typed && crb_slice_is(header->name, "content-type")))
		return CRB_OK;
	return add_header(request, header, err);
}

/* What libcurl would add by itself, and a name for those who have none. */
static enum crb_status
add_defaults(struct crb_request *request, bool has_accept, bool has_agent,
    struct crb_err *err)
{
	bool failed = false;
	CURL *easy = request->easy;

	if (add_line(request, "Expect:", err) != CRB_OK ||
	    (!has_accept && add_line(request, "Accept:", err) != CRB_OK) ||
	    (!has_agent &&
		add_line(request, "user-agent: credbroker", err) != CRB_OK))
		return err->status;
	SET(HTTPHEADER, request->headers);
	return taken(failed, err);
}

typedef enum crb_status add_fn(struct crb_request *request,
    const struct crb_header *header, struct crb_err *err);

static enum crb_status
add_block(struct crb_request *request, struct crb_slice block, add_fn *add,
    struct crb_err *err)
{
	bool more = true, has_accept = false, has_agent = false;
	struct crb_header header;

	for (size_t count = 0;; count++) {
		if (crb_headers_next(&block, &header, &more, err) != CRB_OK)
			return err->status;
		if (!more)
			break;
		if (count == CRB_HEADERS_COUNT_MAX)
			return crb_err_set(
			    err, CRB_ERR_INVALID, "too many headers came");
		has_accept |= crb_slice_is(header.name, "accept");
		has_agent |= crb_slice_is(header.name, "user-agent");
		if (add(request, &header, err) != CRB_OK)
			return err->status;
	}
	return add_defaults(request, has_accept, has_agent, err);
}

enum crb_status
crb_request_headers(
    struct crb_request *request, struct crb_slice block, struct crb_err *err)
{
	return add_block(request, block, add_listed, err);
}

enum crb_status
crb_request_headers_own(
    struct crb_request *request, struct crb_slice block, struct crb_err *err)
{
	return add_block(request, block, add_header, err);
}
