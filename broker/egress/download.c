#include "broker/egress/download.h"

#include <string.h>

#include "base/slab.h"
#include "base/text.h"
#include "broker/bus/stream.h"

#define BODY_MIN (64u << 10)
/* A short one gets no more than it needs, since all of it is wiped. */
#define BODY_SHORT 1024u

void
crb_download_init(struct crb_download *download, int fd, uint64_t job,
    const char *host, enum crb_route_kind route, struct crb_scrub *scrub)
{
	*download = (struct crb_download){ .fd = fd,
		.job = job,
		.route = route,
		.head.host = host,
		.scrub = scrub,
		.headers = CRB_BUF_INIT_WIPED(CRB_HEADERS_MAX) };
}

void
crb_download_clear(struct crb_download *download)
{
	crb_buf_clear(&download->headers);
	crb_slab_free(download->body);
	download->body = NULL;
}

/* Ours is the head of an answer that is passed on. */
static enum crb_status
end_head(struct crb_download *download, struct crb_err *err)
{
	unsigned status = download->head.status;

	if (status == 401 || status == 407)
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "%s refused the stored credential (HTTP %u)",
		    download->head.host, status);
	if (crb_buf_check(&download->headers, "the head", err) != CRB_OK)
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "%s sent too long a head", download->head.host);
	download->head_read = true;
	return CRB_OK;
}

static void
take_header(struct crb_download *download, struct crb_slice line,
    const struct crb_header *header)
{
	if (!crb_header_response_ok(download->route, header->name))
		return;
	/* A name may hold it too, where only its beginning is listed. */
	if (crb_scrub_finds(download->scrub, line.p, line.len)) {
		download->dropped++;
		return;
	}
	/* One that a block cannot carry is left out. */
	(void)crb_headers_add(&download->headers, header->name, header->value);
}

enum crb_status
crb_download_line(struct crb_download *download, const char *bytes, size_t len,
    struct crb_err *err)
{
	struct crb_header header;
	enum crb_head_line what;

	if (crb_head_read(&download->head, bytes, len, &what, &header, err) !=
	    CRB_OK)
		return err->status;
	if (what == CRB_HEAD_START)
		crb_buf_reset(&download->headers);
	else if (what == CRB_HEAD_HEADER)
		take_header(
		    download, (struct crb_slice){ bytes, len }, &header);
	else if (what == CRB_HEAD_END)
		return end_head(download, err);
	return CRB_OK;
}

/* LIMIT is no failure: the stream is full. */
static enum crb_status
sent_or_blocked(
    struct crb_download *download, enum crb_status status, struct crb_err *err)
{
	download->blocked = status == CRB_ERR_LIMIT;
	if (status == CRB_OK || status == CRB_ERR_LIMIT)
		return CRB_OK;
	return crb_err_set(
	    err, CRB_ERR_INVALID, "the client went away during its answer");
}

static enum crb_status
send_head(struct crb_download *download, struct crb_err *err)
{
	const struct crb_msg_response_head head = {
		.job = download->job,
		.status = (uint16_t)download->head.status,
		.has_length = download->head.has_length,
		.length = download->head.length,
		.headers = { crb_buf_text(&download->headers),
		    download->headers.len },
	};
	enum crb_status status = crb_stream_send(
	    download->fd, CRB_MSG_RESPONSE_HEAD, &head, err);

	download->head_sent = status == CRB_OK;
	return sent_or_blocked(download, status, err);
}

/* A piece for the packet, and whatever else, even the longest secret. */
static enum crb_status
allocate(struct crb_download *download, struct crb_err *err)
{
	size_t least = BODY_MIN / 2 + crb_scrub_longest(download->scrub);

	if (download->body != NULL)
		return CRB_OK;
	/* All of it fits, so nothing ever has to leave it for more to come. */
	if (download->head.has_length && download->head.length < least)
		least = (size_t)download->head.length;
	for (download->cap = BODY_SHORT; download->cap < least;)
		download->cap *= 2;
	if ((download->body = crb_slab_alloc(download->cap)) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for an answer");
	return CRB_OK;
}

static void
search_body(struct crb_download *download, bool last)
{
	if (!download->fresh && !last)
		return;
	download->settled += crb_scrub_run(download->scrub,
	    download->body + download->settled,
	    download->len - download->settled, last);
	download->fresh = false;
}

static enum crb_status
send_body(struct crb_download *download, struct crb_err *err)
{
	size_t left;
	enum crb_status status;

	while ((left = download->settled - download->sent) > 0) {
		if (left > CRB_BODY_MAX)
			left = CRB_BODY_MAX;
		status = crb_stream_send_body(download->fd,
		    CRB_MSG_RESPONSE_BODY, download->body + download->sent,
		    left, err);
		if (sent_or_blocked(download, status, err) != CRB_OK)
			return err->status;
		if (download->blocked)
			return CRB_OK;
		download->sent += left;
		download->passed += left;
	}
	return CRB_OK;
}

static void
close_ranks(struct crb_download *download)
{
	size_t sent = download->sent;

	if (sent == 0)
		return;
	memmove(download->body, download->body + sent, download->len - sent);
	download->settled -= sent;
	download->len -= sent;
	download->sent = 0;
}

enum crb_status
crb_download_flush(
    struct crb_download *download, bool last, struct crb_err *err)
{
	/* Also when it was something else that the stream did not take. */
	download->blocked = false;
	if (!download->head_read)
		return CRB_OK;
	if (!download->head_sent && send_head(download, err) != CRB_OK)
		return err->status;
	if (!download->head_sent || download->body == NULL)
		return CRB_OK;
	search_body(download, last);
	if (send_body(download, err) != CRB_OK)
		return err->status;
	close_ranks(download);
	return CRB_OK;
}

/* Of a short answer: nothing of it is left here. */
static void
all_sent(struct crb_download *download)
{
	download->head_sent = true;
	download->passed = download->len;
	download->sent = download->len;
	close_ranks(download);
}

enum crb_status
crb_download_whole(
    struct crb_download *download, bool *sent, struct crb_err *err)
{
	const struct crb_head *head = &download->head;
	struct crb_msg_response_whole whole = {
		.job = download->job,
		.status = (uint16_t)head->status,
		.has_length = head->has_length,
		.length = head->length,
		.headers = { crb_buf_text(&download->headers),
		    download->headers.len },
	};
	enum crb_status status;

	*sent = download->blocked = false;
	if (!download->head_read || download->head_sent ||
	    download->len > CRB_WHOLE_MAX)
		return CRB_OK;
	if (download->body != NULL)
		search_body(download, true);
	whole.data = CRB_SLICE("");
	if (download->body != NULL)
		whole.data = (struct crb_slice){ download->body,
			download->len };
	status = crb_stream_send(
	    download->fd, CRB_MSG_RESPONSE_WHOLE, &whole, err);
	*sent = status == CRB_OK;
	if (*sent)
		all_sent(download);
	return sent_or_blocked(download, status, err);
}

enum crb_status
crb_download_body(struct crb_download *download, const char *bytes, size_t len,
    struct crb_err *err)
{
	if (allocate(download, err) != CRB_OK)
		return err->status;
	if (len > download->cap - download->len &&
	    crb_download_flush(download, false, err) != CRB_OK)
		return err->status;
	download->paused = len > download->cap - download->len;
	if (download->paused)
		return CRB_OK;
	memcpy(download->body + download->len, bytes, len);
	download->len += len;
	download->fresh = true;
	return CRB_OK;
}

uint32_t
crb_download_scrubbed(const struct crb_download *download)
{
	return download->dropped + crb_scrub_count(download->scrub);
}
