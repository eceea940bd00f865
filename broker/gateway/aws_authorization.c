#include "broker/gateway/aws_authorization.h"

#include <string.h>

#include "broker/bus/messages.h"

#define SCHEME "AWS4-HMAC-SHA256"
#define END "aws4_request"
#define ID_MAX 128
#define SIGNED_MAX 4096
#define SIGNATURE_LEN 64
#define DATE_LEN 8
/* Also "." and "_", which some providers have in the names of regions. */
#define WORD CRB_LOWER CRB_DIGITS "-._"
#define HEADERS CRB_LOWER CRB_DIGITS "-_;"

enum part { PART_CREDENTIAL, PART_HEADERS, PART_SIGNATURE, PART_COUNT };

static const char *const part_names[PART_COUNT] = {
	[PART_CREDENTIAL] = "Credential",
	[PART_HEADERS] = "SignedHeaders",
	[PART_SIGNATURE] = "Signature",
};

static bool
is_made(
    struct crb_slice text, const char *characters, size_t least, size_t most)
{
	return crb_slice_consists(text, characters) && text.len >= least &&
	    text.len <= most;
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
	if (!is_made(piece[ID], WORD CRB_UPPER, 1, ID_MAX) ||
	    !is_made(piece[DATE], CRB_DIGITS, DATE_LEN, DATE_LEN) ||
	    !is_made(piece[REGION], WORD, 1, CRB_REGION_MAX) ||
	    !is_made(piece[SERVICE], WORD, 1, CRB_SERVICE_MAX))
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
		if (!is_made(value, HEADERS, 1, SIGNED_MAX))
			return malformed(
			    err, "its SignedHeaders have a wrong form");
		return CRB_OK;
	case PART_SIGNATURE:
		if (!is_made(value, CRB_DIGITS "abcdef", SIGNATURE_LEN,
			SIGNATURE_LEN))
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
		if (take_piece(crb_slice_trim(piece, " \t"), seen, &found,
			err) != CRB_OK)
			return err->status;
	}
	for (unsigned i = 0; i < PART_COUNT; i++) {
		if (!seen[i])
			return malformed(err, "a part of it is missing");
	}
	*out = found;
	return CRB_OK;
}
