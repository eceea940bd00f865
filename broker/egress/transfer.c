#include "broker/egress/transfer.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

void
crb_transfer_moved(struct crb_transfer *transfer)
{
	transfer->active = crb_loop_now(transfer->loop);
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
	return transfer->download.paused ? CURL_WRITEFUNC_PAUSE : size * count;
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

enum crb_status
crb_transfer_init(struct crb_transfer *transfer, const struct crb_msg_job *msg,
    const struct crb_transfer_options *options, struct crb_err *err)
{
	*transfer = (struct crb_transfer){ .loop = options->loop };
	crb_transfer_moved(transfer);
	if (use_secret(transfer, msg, options, err) != CRB_OK ||
	    crb_upload_init(&transfer->upload, options->fd,
		(enum crb_body)msg->body, msg->length, options->spare,
		err) != CRB_OK)
		return err->status;
	crb_download_init(&transfer->download, options->fd, msg->job,
	    transfer->request.host, (enum crb_route_kind)msg->route,
	    transfer->scrub);
	return set_callbacks(transfer, err);
}

void
crb_transfer_clear(struct crb_transfer *transfer)
{
	crb_request_clear(&transfer->request);
	crb_upload_clear(&transfer->upload);
	crb_download_clear(&transfer->download);
	crb_scrub_free(transfer->scrub);
	transfer->scrub = NULL;
}
