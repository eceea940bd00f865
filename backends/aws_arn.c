#include "backends/aws_arn.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"

#define ARN_MAX 1024u
#define NAME CRB_LOWER CRB_DIGITS "-"

enum piece { PREFIX, PARTITION, SERVICE, REGION, ACCOUNT, RESOURCE, PIECES };

bool
crb_aws_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

static bool
cut(const char *text, struct crb_slice piece[PIECES])
{
	struct crb_slice rest = CRB_SLICE(text);

	for (size_t i = 0; i < RESOURCE; i++) {
		if (!crb_slice_cut(&rest, ':', &piece[i]))
			return false;
	}
	piece[RESOURCE] = rest;
	return rest.p != NULL && rest.len > 0;
}

bool
crb_aws_arn_ok(const char *text)
{
	struct crb_slice piece[PIECES];

	return strlen(text) <= ARN_MAX && crb_aws_printable(text) &&
	    cut(text, piece) && crb_slice_is(piece[PREFIX], "arn") &&
	    piece[PARTITION].len > 0 &&
	    crb_slice_consists(piece[PARTITION], NAME "*") &&
	    piece[SERVICE].len > 0 &&
	    crb_slice_consists(piece[SERVICE], NAME) &&
	    crb_slice_consists(piece[REGION], NAME "*?") &&
	    crb_slice_consists(piece[ACCOUNT], NAME "*?") &&
	    piece[RESOURCE].p[0] != ' ' &&
	    piece[RESOURCE].p[piece[RESOURCE].len - 1] != ' ';
}

bool
crb_aws_arn_is(const char *text, const char *service, const char *resource)
{
	struct crb_slice piece[PIECES];

	return crb_aws_arn_ok(text) && cut(text, piece) &&
	    crb_slice_is(piece[SERVICE], service) &&
	    crb_slice_starts(piece[RESOURCE], resource) &&
	    piece[RESOURCE].len > strlen(resource);
}
