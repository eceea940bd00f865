#include "broker/egress/head.h"

#include <string.h>

#include "base/units.h"

/* Of all heads of an answer, 1xx and trailers included. */
#define HEAD_BYTES_MAX (32u << 10)

static enum crb_status
refuse(const struct crb_head *head, const char *why, struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_UPSTREAM, "%s %s", head->host, why);
}

/* "HTTP/1.1 200 OK" */
static enum crb_status
start(struct crb_head *head, struct crb_slice line, enum crb_head_line *what,
    struct crb_err *err)
{
	uint64_t status;

	if (line.len < 12 || !crb_slice_starts(line, "HTTP/1.") ||
	    line.p[8] != ' ' || (line.len > 12 && line.p[12] != ' ') ||
	    crb_number_parse(line.p + 9, 3, 599, &status, err) != CRB_OK ||
	    status < 100)
		return refuse(head, "did not answer in HTTP/1", err);
	head->status = (unsigned)status;
	head->inside = true;
	head->has_length = head->chunked = false;
	head->length = 0;
	head->count = 0;
	*what = CRB_HEAD_START;
	return CRB_OK;
}

static enum crb_status
end(struct crb_head *head, enum crb_head_line *what, struct crb_err *err)
{
	head->inside = false;
	if (head->status == 101)
		return refuse(
		    head, "switched to another protocol (HTTP 101)", err);
	if (head->status < 200)
		return CRB_OK;
	if (head->has_length && head->chunked)
		return refuse(
		    head, "gave its answer a length and chunks at once", err);
	/* They have no body, whatever length they speak of (RFC 9110, 6.4.1).
	 */
	if (head->status == 204 || head->status == 304) {
		head->has_length = true;
		head->length = 0;
	}
	head->final = true;
	*what = CRB_HEAD_END;
	return CRB_OK;
}

static enum crb_status
take_length(struct crb_head *head, struct crb_slice value, struct crb_err *err)
{
	uint64_t length;

	if (crb_number_parse(value.p, value.len, INT64_MAX, &length, err) !=
		CRB_OK ||
	    (head->has_length && head->length != length))
		return refuse(head, "sent a wrong Content-Length", err);
	head->has_length = true;
	head->length = length;
	return CRB_OK;
}

/* Headers that say how the body is sent. */
static enum crb_status
take_framing(
    struct crb_head *head, const struct crb_header *header, struct crb_err *err)
{
	if (crb_slice_is_nocase(header->name, "content-length"))
		return take_length(head, header->value, err);
	if (crb_slice_is_nocase(header->name, "transfer-encoding")) {
		if (!crb_slice_is_nocase(header->value, "chunked") ||
		    head->chunked)
			return refuse(
			    head, "sent an unknown Transfer-Encoding", err);
		head->chunked = true;
	}
	/* Nobody asked for one, and what is packed cannot be searched. */
	if (!head->packed_ok &&
	    crb_slice_is_nocase(header->name, "content-encoding") &&
	    !crb_slice_is_nocase(header->value, "identity"))
		return refuse(head,
		    "sent a Content-Encoding that was not asked for", err);
	return CRB_OK;
}

static enum crb_status
take_header(struct crb_head *head, struct crb_slice line,
    enum crb_head_line *what, struct crb_header *header, struct crb_err *err)
{
	struct crb_slice value = line, name;

	if (++head->count > CRB_HEADERS_COUNT_MAX)
		return refuse(head, "sent too many headers", err);
	if (memchr(line.p, '\0', line.len) != NULL ||
	    memchr(line.p, ':', line.len) == NULL ||
	    strchr(" \t:", line.p[0]) != NULL ||
	    !crb_slice_cut(&value, ':', &name) ||
	    strchr(" \t", name.p[name.len - 1]) != NULL)
		return refuse(head, "sent a malformed header", err);
	*header = (struct crb_header){ name, crb_slice_trim(value, " \t") };
	*what = CRB_HEAD_HEADER;
	return take_framing(head, header, err);
}

enum crb_status
crb_head_read(struct crb_head *head, const char *bytes, size_t len,
    enum crb_head_line *what, struct crb_header *header, struct crb_err *err)
{
	struct crb_slice line = { bytes, len };

	*what = CRB_HEAD_OTHER;
	head->bytes += len;
	if (head->bytes > HEAD_BYTES_MAX)
		return refuse(head, "sent too long a head", err);
	if (head->final)
		return CRB_OK; /* a trailer */
	if (crb_slice_ends(line, "\n"))
		line.len--;
	if (crb_slice_ends(line, "\r"))
		line.len--;
	if (!head->inside)
		return start(head, line, what, err);
	if (line.len == 0)
		return end(head, what, err);
	return take_header(head, line, what, header, err);
}
