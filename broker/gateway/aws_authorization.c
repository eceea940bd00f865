#include "broker/gateway/aws_authorization.h"

#include <string.h>

#include "broker/bus/messages.h"

#define SCHEME "AWS4-HMAC-SHA256"
#define END "aws4_request"
#define ID_MAX 128
#define SIGNED_MAX 4096
#define SIGNATURE_LEN 64
#define DATE_LEN 8

enum part { PART_CREDENTIAL, PART_HEADERS, PART_SIGNATURE, PART_COUNT };

static const char *const part_names[PART_COUNT] = {
	[PART_CREDENTIAL] = "Credential",
	[PART_HEADERS] = "SignedHeaders",
	[PART_SIGNATURE] = "Signature",
};

static bool
is_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Also "." and "_", which some providers have in the names of regions. */
static bool
is_of_word(char c)
{
	return is_lower(c) || c == '-' || c == '.' || c == '_';
}

static bool
is_of_id(char c)
{
	return is_of_word(c) || (c >= 'A' && c <= 'Z');
}

static bool
is_of_headers(char c)
{
	return is_lower(c) || c == '-' || c == '_' || c == ';';
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
all_are(struct crb_slice text, bool (*is)(char), size_t least, size_t most)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!is(text.p[i]))
			return false;
	}
	return text.len >= least && text.len <= most;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct crb_slice
trim(struct crb_slice text)
{
	while (text.len > 0 && is_blank(text.p[0])) {
		text.p++;
		text.len--;
	}
	while (text.len > 0 && is_blank(text.p[text.len - 1]))
		text.len--;
	return text;
}

static enum crb_status
malformed(struct crb_err *err, const char *what)
{
	return crb_err_set(err, CRB_ERR_INVALID,
	    "the Authorization header is not one of Signature Version 4: %s",
	    what);
}

/* What signs in another way, and what to do about it. */
static enum crb_status
check_scheme(struct crb_slice scheme, struct crb_err *err)
{
	if (crb_slice_is(scheme, SCHEME))
		return CRB_OK;
	if (crb_slice_starts(scheme, "AWS4-ECDSA-"))
		return crb_err_set(err, CRB_ERR_DENIED,
		    "Signature Version 4A (for several regions at once) is not "
		    "supported; sign for one region");
	if (crb_slice_is(scheme, "AWS"))
		return crb_err_set(err, CRB_ERR_DENIED,
		    "Signature Version 2 is not supported; sign with version "
		    "4");
	return malformed(err, "its scheme is not " SCHEME);
}

/* ID/DATE/REGION/SERVICE/aws4_request */
static enum crb_status
take_credential(struct crb_slice text, struct crb_aws_authorization *out,
    struct crb_err *err)
{
	enum { ID, DATE, REGION, SERVICE, LAST, COUNT };
	struct crb_slice rest = text, piece[COUNT] = { { "", 0 } };
	size_t count = 0;

	while (count < COUNT && crb_slice_cut(&rest, '/', &piece[count]))
		count++;
	if (count < COUNT || rest.p != NULL || !crb_slice_is(piece[LAST], END))
		return malformed(
		    err, "its Credential is not ID/DATE/REGION/SERVICE/" END);
	if (!all_are(piece[ID], is_of_id, 1, ID_MAX) ||
	    !all_are(piece[DATE], is_digit, DATE_LEN, DATE_LEN) ||
	    !all_are(piece[REGION], is_of_word, 1, CRB_REGION_MAX) ||
	    !all_are(piece[SERVICE], is_of_word, 1, CRB_SERVICE_MAX))
		return malformed(
		    err, "a part of its Credential has a wrong form");
	out->region = piece[REGION];
	out->service = piece[SERVICE];
	return CRB_OK;
}

static enum crb_status
take_part(enum part part, struct crb_slice value,
    struct crb_aws_authorization *out, struct crb_err *err)
{
	switch (part) {
	case PART_CREDENTIAL:
		return take_credential(value, out, err);
	case PART_HEADERS:
		if (!all_are(value, is_of_headers, 1, SIGNED_MAX))
			return malformed(
			    err, "its SignedHeaders have a wrong form");
		return CRB_OK;
	case PART_SIGNATURE:
		if (!all_are(value, is_hex, SIGNATURE_LEN, SIGNATURE_LEN))
			return malformed(
			    err, "its Signature is not 64 hexadecimal digits");
		return CRB_OK;
	case PART_COUNT:
		break;
	}
	return malformed(err, "it has a part of another name");
}

/* "Name=value", one of the three; *seen has those that came before. */
static enum crb_status
take_piece(struct crb_slice piece, bool seen[PART_COUNT],
    struct crb_aws_authorization *out, struct crb_err *err)
{
	struct crb_slice value = piece, name;
	unsigned part = 0;

	(void)crb_slice_cut(&value, '=', &name);
	if (value.p == NULL)
		return malformed(err, "it has a part without \"=\"");
	while (part < PART_COUNT && !crb_slice_is(name, part_names[part]))
		part++;
	if (part < PART_COUNT && seen[part])
		return malformed(err, "it has a part twice");
	if (part < PART_COUNT)
		seen[part] = true;
	return take_part((enum part)part, value, out, err);
}

bool
crb_aws_authorization_is(struct crb_slice value)
{
	return crb_slice_starts(value, "AWS4-") ||
	    crb_slice_starts(value, "AWS ");
}

enum crb_status
crb_aws_authorization_parse(struct crb_slice value,
    struct crb_aws_authorization *out, struct crb_err *err)
{
	struct crb_aws_authorization found = { { NULL, 0 }, { NULL, 0 } };
	struct crb_slice rest = value, piece;
	bool seen[PART_COUNT] = { false };

	(void)crb_slice_cut(&rest, ' ', &piece);
	if (check_scheme(piece, err) != CRB_OK)
		return err->status;
	if (rest.p == NULL)
		return malformed(err, "there is nothing behind its scheme");
	while (crb_slice_cut(&rest, ',', &piece)) {
		if (take_piece(trim(piece), seen, &found, err) != CRB_OK)
			return err->status;
	}
	for (unsigned i = 0; i < PART_COUNT; i++) {
		if (!seen[i])
			return malformed(err, "a part of it is missing");
	}
	*out = found;
	return CRB_OK;
}
