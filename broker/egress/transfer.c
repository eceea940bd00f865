#include "broker/egress/transfer.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/process.h"
#include "broker/bus/headers.h"

/* The client's headers, a session token, and a list of all their names. */
#define SIGNED_MAX (64u << 10)

static const struct crb_slice none = { "", 0 };

void
crb_transfer_moved(struct crb_transfer *transfer)
{
	transfer->active = crb_loop_now(transfer->loop);
}

/* Bytes of a body, of which there may be so many left. */
static bool
spend(struct crb_transfer *transfer, size_t len)
{
	struct crb_budget *budget = transfer->budget;

	if (len <= budget->left) {
		transfer->taken += len;
		budget->left -= len;
		return true;
	}
	(void)crb_err_set(&transfer->err, CRB_ERR_DENIED,
	    "the session has sent and received as many bytes as a policy allows (bytes_per_session)");
	/* What came beyond was read, and is used up with the rest. */
	transfer->taken += budget->left;
	budget->left = 0;
	transfer->failed = transfer->spent = true;
	return false;
}

void
crb_transfer_used(struct crb_transfer *transfer, uint64_t *up, uint64_t *down)
{
	struct crb_budget *budget = transfer->budget;
	uint64_t used;

	*up = transfer->upload.passed;
	*down = transfer->download.passed;
	used = *up + *down;
	if (used > transfer->taken)
		budget->left -= used - transfer->taken < budget->left
		    ? used - transfer->taken
		    : budget->left;
	else if (transfer->spent)
		*down += transfer->taken - used;
	else
		budget->left += transfer->taken - used;
}

/* libcurl's callbacks. */

static size_t
on_read(char *to, size_t size, size_t count, void *ctx)
{
	struct crb_transfer *transfer = ctx;
	size_t len = 0;

	if (crb_upload_read(&transfer->upload, to, size * count, &len,
		&transfer->err) != CRB_OK) {
		transfer->failed = true;
		return CURL_READFUNC_ABORT;
	}
	if (transfer->upload.paused)
		return CURL_READFUNC_PAUSE;
	if (!spend(transfer, len))
		return CURL_READFUNC_ABORT;
	crb_transfer_moved(transfer);
	return len;
}

static size_t
on_line(char *line, size_t size, size_t count, void *ctx)
{
	struct crb_transfer *transfer = ctx;

	crb_transfer_moved(transfer);
	if (crb_download_line(&transfer->download, line, size * count,
		&transfer->err) != CRB_OK) {
		transfer->failed = true;
		return 0;
	}
	/* Behind an interim answer the next head may take its time. */
	if (!transfer->download.head.inside)
		transfer->head_since = 0;
	else if (transfer->head_since == 0)
		transfer->head_since = transfer->active;
	return size * count;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct crb_transfer *transfer = ctx;

	crb_transfer_moved(transfer);
	if (crb_download_body(&transfer->download, bytes, size * count,
		&transfer->err) != CRB_OK) {
		transfer->failed = true;
		return 0;
	}
	/* What was not taken comes again. */
	if (transfer->download.paused)
		return CURL_WRITEFUNC_PAUSE;
	return spend(transfer, size * count) ? size * count : 0;
}

static enum crb_status
set_callbacks(struct crb_transfer *transfer, struct crb_err *err)
{
	CURL *easy = transfer->request.easy;

	if (curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read) ||
	    curl_easy_setopt(easy, CURLOPT_READDATA, transfer) ||
	    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line) ||
	    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) ||
	    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) ||
	    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer))
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libcurl does not take its callbacks");
	return CRB_OK;
}

/* Callbacks may be called from within. */
static enum crb_status
resume(struct crb_transfer *transfer, struct crb_err *err)
{
	int mask = (transfer->upload.paused ? CURLPAUSE_SEND : 0) |
	    (transfer->download.paused ? CURLPAUSE_RECV : 0);
	CURLcode code = curl_easy_pause(transfer->request.easy, mask);

	if (transfer->failed) {
		*err = transfer->err;
		return err->status;
	}
	if (code != CURLE_OK)
		return crb_request_failure(&transfer->request, code, err);
	return CRB_OK;
}

enum crb_status
crb_transfer_readable(struct crb_transfer *transfer, struct crb_err *err)
{
	struct crb_upload *upload = &transfer->upload;

	if (upload->paused) {
		upload->paused = false;
		return resume(transfer, err);
	}
	if (crb_upload_passed(upload))
		return crb_upload_finish(upload, err);
	return CRB_OK;
}

enum crb_status
crb_transfer_flush(struct crb_transfer *transfer, struct crb_err *err)
{
	struct crb_download *download = &transfer->download;
	bool refused = download->head_read && download->head.status >= 300;

	if (crb_download_flush(download, false, err) != CRB_OK)
		return err->status;
	if (download->paused && !download->blocked) {
		download->paused = false;
		return resume(transfer, err);
	}
	/* libcurl sends no more then, but while it is paused it never ends. */
	if (transfer->upload.paused && refused) {
		transfer->upload.paused = false;
		return resume(transfer, err);
	}
	return CRB_OK;
}

enum crb_status
crb_transfer_result(
    struct crb_transfer *transfer, CURLcode code, struct crb_err *err)
{
	transfer->download.paused = transfer->upload.paused = false;
	if (transfer->failed) {
		*err = transfer->err;
		return err->status;
	}
	if (code == CURLE_OK && !transfer->download.head_read)
		code = CURLE_GOT_NOTHING;
	if (code != CURLE_OK)
		return crb_request_failure(&transfer->request, code, err);
	return CRB_OK;
}

static enum crb_status
make_injection(const struct crb_msg_job *msg, const struct crb_secret *secret,
    struct crb_injection *out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *params = NULL;
	const struct crb_backend_ops *backend;
	char kind[33];

	(void)snprintf(
	    kind, sizeof(kind), "%.*s", (int)msg->backend.len, msg->backend.p);
	if (crb_backend_find(kind, &backend, err) != CRB_OK ||
	    crb_json_parse(msg->params.p, msg->params.len, "parameters",
		&params, err) != CRB_OK)
		return err->status;
	if (backend->inject == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "backend %s does not inject", backend->kind);
	return backend->inject(params, secret, out, err);
}

#define AUTO_INJECTION __attribute__((cleanup(crb_injection_clear)))

/* The secret itself is gone again when this returns. */
static enum crb_status
use_secret(struct crb_transfer *transfer, const struct crb_msg_job *msg,
    const struct crb_transfer_options *options, struct crb_err *err)
{
	AUTO_INJECTION struct crb_injection injection = { .value = NULL };
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	struct crb_slice value;

	if (crb_secret_copy(msg->secret.p, msg->secret.len, &secret, err) !=
		CRB_OK ||
	    make_injection(msg, secret, &injection, err) != CRB_OK)
		return err->status;
	value = (struct crb_slice){ crb_secret_bytes(injection.value),
		crb_secret_len(injection.value) };
	if (crb_scrub_new(msg->secret, value, &transfer->scrub, err) != CRB_OK)
		return err->status;
	return crb_request_init(&transfer->request, msg, &injection,
	    options->trust, &options->limits, err);
}

/*
 * Of keys ("ID\nSECRET[\nTOKEN]") the id is no secret; the others are looked
 * for in what comes back.
 */
static enum crb_status
scrub_keys(
    struct crb_transfer *transfer, struct crb_slice keys, struct crb_err *err)
{
	struct crb_slice rest = keys, id, secret;

	if (!crb_slice_cut(&rest, '\n', &id) || rest.p == NULL)
		return crb_err_set(err, CRB_ERR_INVALID, "job: keys");
	(void)crb_slice_cut(&rest, '\n', &secret);
	return crb_scrub_new(
	    secret, rest.p != NULL ? rest : secret, &transfer->scrub, err);
}

static enum crb_status
use_keys(struct crb_transfer *transfer, const struct crb_msg_job *msg,
    const struct crb_transfer_options *options, struct crb_err *err)
{
	if (crb_signing_init(&transfer->signing, msg, err) != CRB_OK ||
	    scrub_keys(transfer, msg->secret, err) != CRB_OK)
		return err->status;
	return crb_request_init_own(
	    &transfer->request, msg, options->trust, &options->limits, err);
}

/* libcurl sends these headers, and a body of this length. */
static enum crb_status
sign(struct crb_transfer *transfer, struct crb_slice body, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf block = CRB_BUF_INIT_WIPED(SIGNED_MAX);

	if (crb_signing_finish(&transfer->signing, transfer->request.host, body,
		crb_wall_seconds(), &block, err) != CRB_OK)
		return err->status;
	return crb_request_headers_own(&transfer->request,
	    (struct crb_slice){ block.data, block.len }, err);
}

static enum crb_status
set_length(struct crb_transfer *transfer, uint64_t length, struct crb_err *err)
{
	if (curl_easy_setopt(transfer->request.easy, CURLOPT_INFILESIZE_LARGE,
		(curl_off_t)length) != CURLE_OK)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libcurl does not take its options");
	return CRB_OK;
}

/*
 * A body of nothing has no last byte that could wait until all of it was
 * found right, so it is seen to its end first, too.
 */
static enum crb_status
prepare_body(struct crb_transfer *transfer, struct crb_err *err)
{
	struct crb_signing *signing = &transfer->signing;

	transfer->collects = signing->payload[0] == '\0';
	if (!signing->chunked)
		return CRB_OK;
	transfer->collects = signing->length == 0;
	if (crb_aws_chunked_new(signing->length, signing->trailer,
		&transfer->upload.decoder, err) != CRB_OK)
		return err->status;
	return set_length(transfer, signing->length, err);
}

/*
 * The core has read the first of it, so it must be that to the upstream, too:
 * who unpacks it would find other commands there.
 */
static enum crb_status
check_not_packed(struct crb_slice block, struct crb_err *err)
{
	struct crb_header header;
	bool more = true;

	for (;;) {
		if (crb_headers_next(&block, &header, &more, err) != CRB_OK)
			return err->status;
		if (!more)
			return CRB_OK;
		if (crb_slice_is(header.name, "content-encoding"))
			return crb_err_set(err, CRB_ERR_DENIED,
			    "a push is not packed (Content-Encoding): nobody "
			    "can see what it asks for");
	}
}

static enum crb_status
add_headers(
    struct crb_transfer *transfer, struct crb_slice block, struct crb_err *err)
{
	if (transfer->upload.judged.part == CRB_JUDGED_START &&
	    check_not_packed(block, err) != CRB_OK)
		return err->status;
	return crb_request_headers(&transfer->request, block, err);
}

enum crb_status
crb_transfer_head(struct crb_transfer *transfer, struct crb_slice block,
    bool *ready, struct crb_err *err)
{
	bool held = crb_upload_is_held(&transfer->upload);

	*ready = !held;
	if (transfer->signing.backend == NULL)
		return add_headers(transfer, block, err);
	if (crb_signing_head(&transfer->signing, block, err) != CRB_OK ||
	    prepare_body(transfer, err) != CRB_OK)
		return err->status;
	*ready = !held && !transfer->collects;
	return *ready ? sign(transfer, none, err) : CRB_OK;
}

/* All of it, since what it is, is signed. */
static enum crb_status
collect(struct crb_transfer *transfer, bool *ready, struct crb_err *err)
{
	struct crb_upload *upload = &transfer->upload;

	if (crb_upload_collect(upload, CRB_SIGNING_COLLECT_MAX, ready, err) !=
	    CRB_OK)
		return err->status;
	if (!*ready)
		return CRB_OK;
	if (set_length(transfer, upload->body.len, err) != CRB_OK)
		return err->status;
	return sign(transfer,
	    (struct crb_slice){ upload->body.data, upload->body.len }, err);
}

enum crb_status
crb_transfer_collect(
    struct crb_transfer *transfer, bool *ready, struct crb_err *err)
{
	struct crb_upload *upload = &transfer->upload;

	crb_transfer_moved(transfer);
	*ready = true;
	if (crb_upload_is_held(upload) &&
	    crb_upload_hold(upload, ready, err) != CRB_OK)
		return err->status;
	if (!*ready || transfer->signing.backend == NULL)
		return CRB_OK;
	return transfer->collects ? collect(transfer, ready, err)
				  : sign(transfer, none, err);
}

enum crb_status
crb_transfer_init(struct crb_transfer *transfer, const struct crb_msg_job *msg,
    const struct crb_transfer_options *options, struct crb_err *err)
{
	bool signs = msg->route == CRB_ROUTE_HTTP && msg->service.len > 0;

	*transfer = (struct crb_transfer){ .loop = options->loop,
		.budget = options->budget };
	crb_transfer_moved(transfer);
	if ((signs ? use_keys(transfer, msg, options, err)
		   : use_secret(transfer, msg, options, err)) != CRB_OK ||
	    crb_upload_init(&transfer->upload, options->fd, msg, options->spare,
		err) != CRB_OK)
		return err->status;
	/* What was judged with no type has none. */
	if (msg->judged == CRB_JUDGED_WHOLE)
		transfer->request.typed = true;
	crb_download_init(&transfer->download, options->fd, msg->job,
	    transfer->request.host, (enum crb_route_kind)msg->route,
	    transfer->scrub);
	/* What signs is not in the request: nothing there can echo it. */
	transfer->download.head.packed_ok = signs;
	return set_callbacks(transfer, err);
}

void
crb_transfer_clear(struct crb_transfer *transfer)
{
	crb_request_clear(&transfer->request);
	crb_signing_clear(&transfer->signing);
	crb_upload_clear(&transfer->upload);
	crb_download_clear(&transfer->download);
	crb_scrub_free(transfer->scrub);
	transfer->scrub = NULL;
}
