#include "broker/egress/download.h"

#include <string.h>

#include "base/slab.h"
#include "base/text.h"
#include "base/units.h"
#include "broker/bus/headers.h"
#include "broker/bus/stream.h"

/* Of all heads of an answer, 1xx and trailers included. */
#define HEAD_BYTES_MAX (32u << 10)
#define BODY_MIN (64u << 10)
/* A short one gets no more than it needs, since all of it is wiped. */
#define BODY_SHORT 1024u

void
crb_download_init(struct crb_download *download, int fd, uint64_t job,
    const char *host, struct crb_scrub *scrub)
{
	*download = (struct crb_download){ .fd = fd,
		.job = job,
		.host = host,
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

static enum crb_status
refuse(
    const struct crb_download *download, const char *why, struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_UPSTREAM, "%s %s", download->host, why);
}

/* "HTTP/1.1 200 OK" */
static enum crb_status
start_head(
    struct crb_download *download, struct crb_slice line, struct crb_err *err)
{
	uint64_t status;

	if (line.len < 12 || !crb_slice_starts(line, "HTTP/1.") ||
	    line.p[8] != ' ' || (line.len > 12 && line.p[12] != ' ') ||
	    crb_number_parse(line.p + 9, 3, 599, &status, err) != CRB_OK ||
	    status < 100)
		return refuse(download, "did not answer in HTTP/1", err);
	download->status = (unsigned)status;
	download->in_head = true;
	download->has_length = download->chunked = false;
	download->length = 0;
	download->head_count = 0;
	crb_buf_reset(&download->headers);
	return CRB_OK;
}

static enum crb_status
refused_credential(const struct crb_download *download, struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_UPSTREAM,
	    "%s refused the stored credential (HTTP %u)", download->host,
	    download->status);
}

static enum crb_status
end_head(struct crb_download *download, struct crb_err *err)
{
	download->in_head = false;
	if (download->status == 101)
		return refuse(
		    download, "switched to another protocol (HTTP 101)", err);
	if (download->status < 200)
		return CRB_OK;
	if (download->status == 401 || download->status == 407)
		return refused_credential(download, err);
	if (download->has_length && download->chunked)
		return refuse(download,
		    "gave its answer a length and chunks at once", err);
	if (crb_buf_check(&download->headers, "the head", err) != CRB_OK)
		return refuse(download, "sent too long a head", err);
	/* They have no body, whatever length they speak of (RFC 9110, 6.4.1).
	 */
	if (download->status == 204 || download->status == 304) {
		download->has_length = true;
		download->length = 0;
	}
	download->head_read = true;
	return CRB_OK;
}

static enum crb_status
take_length(
    struct crb_download *download, struct crb_slice value, struct crb_err *err)
{
	uint64_t length;

	if (crb_number_parse(value.p, value.len, INT64_MAX, &length, err) !=
		CRB_OK ||
	    (download->has_length && download->length != length))
		return refuse(download, "sent a wrong Content-Length", err);
	download->has_length = true;
	download->length = length;
	return CRB_OK;
}

/* Headers that say how the body is sent: seen here, never passed. */
static enum crb_status
take_framing(struct crb_download *download, struct crb_slice name,
    struct crb_slice value, struct crb_err *err)
{
	if (crb_slice_is_nocase(name, "content-length"))
		return take_length(download, value, err);
	if (crb_slice_is_nocase(name, "transfer-encoding")) {
		if (!crb_slice_is_nocase(value, "chunked") || download->chunked)
			return refuse(
			    download, "sent an unknown Transfer-Encoding", err);
		download->chunked = true;
	}
	/* Nobody asked for one, and what is packed cannot be searched. */
	if (crb_slice_is_nocase(name, "content-encoding") &&
	    !crb_slice_is_nocase(value, "identity"))
		return refuse(download,
		    "sent a Content-Encoding that was not asked for", err);
	return CRB_OK;
}

static struct crb_slice
trim(struct crb_slice text)
{
	while (text.len > 0 && strchr(" \t", text.p[0]) != NULL) {
		text.p++;
		text.len--;
	}
	while (text.len > 0 && strchr(" \t", text.p[text.len - 1]) != NULL)
		text.len--;
	return text;
}

static enum crb_status
take_header(
    struct crb_download *download, struct crb_slice line, struct crb_err *err)
{
	struct crb_slice value = line, name;

	if (++download->head_count > CRB_HEADERS_COUNT_MAX)
		return refuse(download, "sent too many headers", err);
	if (memchr(line.p, '\0', line.len) != NULL ||
	    memchr(line.p, ':', line.len) == NULL ||
	    strchr(" \t:", line.p[0]) != NULL ||
	    !crb_slice_cut(&value, ':', &name) ||
	    strchr(" \t", name.p[name.len - 1]) != NULL)
		return refuse(download, "sent a malformed header", err);
	value = trim(value);
	if (take_framing(download, name, value, err) != CRB_OK)
		return err->status;
	if (!crb_header_response_ok(name))
		return CRB_OK;
	/* A name may hold it too, where only its beginning is listed. */
	if (crb_scrub_finds(download->scrub, line.p, line.len)) {
		download->dropped++;
		return CRB_OK;
	}
	/* One that a block cannot carry is left out. */
	(void)crb_headers_add(&download->headers, name, value);
	return CRB_OK;
}

enum crb_status
crb_download_line(struct crb_download *download, const char *bytes, size_t len,
    struct crb_err *err)
{
	struct crb_slice line = { bytes, len };

	download->head_bytes += len;
	if (download->head_bytes > HEAD_BYTES_MAX)
		return refuse(download, "sent too long a head", err);
	if (download->head_read)
		return CRB_OK; /* a trailer */
	if (crb_slice_ends(line, "\n"))
		line.len--;
	if (crb_slice_ends(line, "\r"))
		line.len--;
	if (!download->in_head)
		return start_head(download, line, err);
	if (line.len == 0)
		return end_head(download, err);
	return take_header(download, line, err);
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
		.status = (uint16_t)download->status,
		.has_length = download->has_length,
		.length = download->length,
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
	if (download->has_length && download->length < least)
		least = (size_t)download->length;
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
