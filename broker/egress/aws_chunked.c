#include "broker/egress/aws_chunked.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/egress/checksum.h"

#define LINE_SIZE 256u
#define SIZE_DIGITS_MAX 16u
#define SIGNATURE_LEN 64u

enum state {
	STATE_SIZE,     /* in the line before a chunk */
	STATE_DATA,     /* in a chunk */
	STATE_DATA_END, /* in the line end behind it */
	STATE_TRAILER,  /* in a line behind the last one */
	STATE_END,      /* all came and was right */
	STATE_FAILED,
};

struct crb_aws_chunked {
	struct crb_checksum *checksum; /* NULL: none was said, or it is over */
	char trailer[64];
	bool has_trailer; /* it was said, and came */
	bool has_signature;

	enum state state;
	uint64_t left;  /* of the body */
	uint64_t chunk; /* of the chunk */
	char line[LINE_SIZE];
	size_t line_len;
	char last; /* byte of the body, held back */
	bool holds;
};

enum crb_status
crb_aws_chunked_new(uint64_t length, const char *trailer,
    struct crb_aws_chunked **out, struct crb_err *err)
{
	CRB_AUTO_AWS_CHUNKED struct crb_aws_chunked *chunked = NULL;

	if ((chunked = calloc(1, sizeof(*chunked))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory for a body");
	chunked->left = length;
	if (trailer[0] != '\0') {
		if (crb_checksum_new(trailer, &chunked->checksum, err) !=
		    CRB_OK)
			return err->status;
		memcpy(chunked->trailer, trailer, strlen(trailer) + 1);
	}
	*out = CRB_STEAL(chunked);
	return CRB_OK;
}

void
crb_aws_chunked_free(struct crb_aws_chunked *chunked)
{
	if (chunked == NULL)
		return;
	crb_checksum_free(chunked->checksum);
	free(chunked);
}

static bool
is_signature(struct crb_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (crb_text_hex_value(text.p[i]) < 0)
			return false;
	}
	return text.len == SIGNATURE_LEN;
}

static bool
parse_size(struct crb_slice text, uint64_t *out)
{
	uint64_t size = 0;

	if (text.len == 0 || text.len > SIZE_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (crb_text_hex_value(text.p[i]) < 0)
			return false;
		size = size << 4 | (uint64_t)crb_text_hex_value(text.p[i]);
	}
	*out = size;
	return true;
}

static enum crb_status
take_size(
    struct crb_aws_chunked *chunked, struct crb_slice line, struct crb_err *err)
{
	static const char signature[] = "chunk-signature=";
	struct crb_slice size;

	(void)crb_slice_cut(&line, ';', &size);
	if (!parse_size(size, &chunked->chunk))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "aws-chunked: a chunk does not start with its size");
	if (line.p != NULL) {
		if (!crb_slice_starts(line, signature))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "aws-chunked: a chunk has something else behind "
			    "its size than its signature");
		line.p += strlen(signature);
		line.len -= strlen(signature);
		if (!is_signature(line))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "aws-chunked: the signature of a chunk is "
			    "malformed");
	}
	if (chunked->chunk > chunked->left)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "aws-chunked: the body is longer than was said");
	if (chunked->chunk == 0 && chunked->left > 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "aws-chunked: the body is shorter than was said");
	chunked->state = chunked->chunk == 0 ? STATE_TRAILER : STATE_DATA;
	return CRB_OK;
}

static enum crb_status
take_end(struct crb_aws_chunked *chunked, struct crb_err *err)
{
	if (chunked->checksum != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "aws-chunked: the checksum that was announced is missing");
	chunked->state = STATE_END;
	return CRB_OK;
}

static struct crb_slice
without_blanks(struct crb_slice text)
{
	while (text.len > 0 && text.p[0] == ' ') {
		text.p++;
		text.len--;
	}
	while (text.len > 0 && text.p[text.len - 1] == ' ')
		text.len--;
	return text;
}

static enum crb_status
take_checksum(struct crb_aws_chunked *chunked, struct crb_slice value,
    struct crb_err *err)
{
	CRB_AUTO_CHECKSUM struct crb_checksum *checksum = CRB_STEAL(
	    chunked->checksum);

	if (!crb_checksum_is(checksum, value))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "aws-chunked: the body does not have the checksum that "
		    "stands behind it");
	chunked->has_trailer = true;
	return CRB_OK;
}

static enum crb_status
take_trailer(
    struct crb_aws_chunked *chunked, struct crb_slice line, struct crb_err *err)
{
	struct crb_slice name;

	if (line.len == 0)
		return take_end(chunked, err);
	(void)crb_slice_cut(&line, ':', &name);
	if (line.p == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "aws-chunked: a trailer is not a line \"name:value\"");
	line = without_blanks(line);
	if (chunked->checksum != NULL &&
	    crb_slice_is_nocase(name, chunked->trailer))
		return take_checksum(chunked, line, err);
	if (chunked->has_trailer && !chunked->has_signature &&
	    crb_slice_is_nocase(name, "x-amz-trailer-signature") &&
	    is_signature(line)) {
		chunked->has_signature = true;
		return CRB_OK;
	}
	return crb_err_set(err, CRB_ERR_INVALID,
	    "aws-chunked: a trailer came that was not announced, or twice");
}

static enum crb_status
take_line(struct crb_aws_chunked *chunked, struct crb_err *err)
{
	struct crb_slice line = { chunked->line, chunked->line_len - 2 };

	chunked->line_len = 0;
	if (chunked->state == STATE_SIZE)
		return take_size(chunked, line, err);
	if (chunked->state == STATE_TRAILER)
		return take_trailer(chunked, line, err);
	if (line.len > 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "aws-chunked: a chunk is longer than its size");
	chunked->state = STATE_SIZE;
	return CRB_OK;
}

/* A line ends with CR LF, and has neither inside. */
static enum crb_status
read_line(
    struct crb_aws_chunked *chunked, struct crb_slice *in, struct crb_err *err)
{
	bool after_cr;
	char c;

	while (in->len > 0) {
		c = *in->p++;
		in->len--;
		after_cr = chunked->line_len > 0 &&
		    chunked->line[chunked->line_len - 1] == '\r';
		if (after_cr != (c == '\n') ||
		    (c != '\r' && c != '\n' && (c < ' ' || c > '~')))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "aws-chunked: a line is malformed");
		if (chunked->line_len == LINE_SIZE)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "aws-chunked: a line is longer than %u bytes",
			    LINE_SIZE);
		chunked->line[chunked->line_len++] = c;
		if (c == '\n')
			return take_line(chunked, err);
	}
	return CRB_OK;
}

static size_t
least(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

/* As much of the chunk as there is and fits; *len bytes were written. */
static void
read_data(struct crb_aws_chunked *chunked, struct crb_slice *in, char *out,
    size_t size, size_t *len)
{
	size_t part = least(chunked->chunk, in->len), pass;
	bool reaches_last = part == chunked->left;

	pass = reaches_last ? part - 1 : part;
	if (pass > size) {
		pass = part = size;
		reaches_last = false;
	}
	if (pass > 0)
		memcpy(out, in->p, pass);
	if (reaches_last) {
		chunked->last = in->p[pass];
		chunked->holds = true;
	}
	if (chunked->checksum != NULL)
		crb_checksum_add(chunked->checksum, in->p, part);
	in->p += part;
	in->len -= part;
	chunked->left -= part;
	chunked->chunk -= part;
	if (chunked->chunk == 0)
		chunked->state = STATE_DATA_END;
	*len = pass;
}

static enum crb_status
step(struct crb_aws_chunked *chunked, struct crb_slice *in, char *out,
    size_t size, size_t *len, struct crb_err *err)
{
	switch (chunked->state) {
	case STATE_DATA:
		read_data(chunked, in, out, size, len);
		return CRB_OK;
	case STATE_SIZE:
	case STATE_DATA_END:
	case STATE_TRAILER:
		return read_line(chunked, in, err);
	case STATE_END:
		return crb_err_set(err, CRB_ERR_INVALID,
		    "aws-chunked: something stands behind the body");
	case STATE_FAILED:
		break;
	}
	return crb_err_set(
	    err, CRB_ERR_INVALID, "aws-chunked: the body was refused already");
}

static void
release_last(
    struct crb_aws_chunked *chunked, char *out, size_t size, size_t *len)
{
	if (chunked->state != STATE_END || !chunked->holds || *len == size)
		return;
	out[(*len)++] = chunked->last;
	chunked->holds = false;
}

enum crb_status
crb_aws_chunked_feed(struct crb_aws_chunked *chunked, struct crb_slice *in,
    char *out, size_t size, size_t *len, struct crb_err *err)
{
	size_t before;

	*len = 0;
	while (in->len > 0) {
		size_t part = 0;

		before = in->len;
		if (step(chunked, in, out + *len, size - *len, &part, err) !=
		    CRB_OK) {
			chunked->state = STATE_FAILED;
			return err->status;
		}
		*len += part;
		if (in->len == before)
			break; /* `out` is full */
	}
	release_last(chunked, out, size, len);
	return CRB_OK;
}

bool
crb_aws_chunked_done(const struct crb_aws_chunked *chunked)
{
	return chunked->state == STATE_END && !chunked->holds;
}

enum crb_status
crb_aws_chunked_finish(struct crb_aws_chunked *chunked, struct crb_err *err)
{
	if (crb_aws_chunked_done(chunked))
		return CRB_OK;
	chunked->state = STATE_FAILED;
	return crb_err_set(
	    err, CRB_ERR_INVALID, "aws-chunked: the body ends before its end");
}
