#include "backends/aws_action.h"

#include <string.h>

#define ACTION_MAX 128u
#define BLANKS " \t\r\n"

/* A name that ends in '*' stands for all that start with it. */
static const char *const credentials[] = {
	"AssumeFleetRole*",                /* deadline */
	"AssumeQueueRole*",                /* deadline */
	"AssumeRole*",                     /* sts, eks-auth */
	"AssumeRoot",                      /* sts */
	"CreateAccessKey",                 /* iam */
	"CreateBucketAccessKey",           /* lightsail */
	"CreateLoginProfile",              /* iam */
	"CreateOAuth2Token",               /* signin */
	"CreateServiceSpecificCredential", /* iam */
	"CreateToken*",                    /* sso-oidc */
	"CreateVirtualMFADevice",          /* iam */
	"GetAccessToken",                  /* ssm */
	"GetAuthorizationToken",           /* ecr, ecr-public, codeartifact */
	"GetClusterCredentials*",          /* redshift */
	"GetClusterSessionCredentials",    /* elasticmapreduce */
	"GetComputeAccess",                /* gamelift */
	"GetCredentials*",           /* cognito-identity, redshift-serverless */
	"GetDataAccess",             /* s3control */
	"GetDelegatedAccessToken",   /* sts */
	"GetEnvironmentCredentials", /* datazone */
	"GetFederationToken",        /* sts, connect */
	"GetInstanceAccess*",        /* gamelift, lightsail */
	"GetManagedEndpointSessionCredentials", /* emr-containers */
	"GetOpenIdToken*",                      /* cognito-identity */
	"GetProgrammaticAccessCredentials",     /* finspace-api */
	"GetRoleCredentials",                   /* sso */
	"GetSessionToken",                      /* sts */
	"GetTemporary*",                        /* lakeformation */
	"GetWebIdentityToken",                  /* sts */
	"RequestUploadCredentials",             /* gamelift */
	"ResetServiceSpecificCredential",       /* iam */
	"UpdateLoginProfile",                   /* iam */
};

static bool
is_listed(struct crb_slice action)
{
	for (size_t i = 0; i < sizeof(credentials) / sizeof(*credentials);
	     i++) {
		char name[64] = "";
		size_t len = strcspn(credentials[i], "*");

		memcpy(name, credentials[i], len);
		if (credentials[i][len] == '*'
			? crb_slice_starts_nocase(action, name)
			: crb_slice_is_nocase(action, name))
			return true;
	}
	return false;
}

enum crb_status
crb_aws_action_check(struct crb_slice action, struct crb_err *err)
{
	if (!is_listed(action))
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_DENIED,
	    "an action whose answer is credentials is never signed for a "
	    "sandbox");
}

enum crb_status
crb_aws_action_check_target(struct crb_slice target, struct crb_err *err)
{
	struct crb_slice rest = target, piece = { "", 0 };

	while (rest.p != NULL && crb_slice_cut(&rest, '.', &piece)) {
		if (crb_aws_action_check(crb_slice_trim(piece, BLANKS), err) !=
		    CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

/*
 * As any reader would: what is no escape stays, and is told.  A text that does
 * not fit is not among the names.
 */
static struct crb_slice
decode(struct crb_slice text, char out[ACTION_MAX], bool *strict)
{
	size_t len = 0;

	*strict = true;
	for (size_t i = 0; i < text.len; i++) {
		int high = -1, low = -1;

		if (len == ACTION_MAX) {
			*strict = false;
			break;
		}
		if (text.p[i] == '%' && i + 2 < text.len) {
			high = crb_text_hex_value(text.p[i + 1]);
			low = crb_text_hex_value(text.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			out[len++] = (char)(high << 4 | low);
			i += 2;
			continue;
		}
		*strict = *strict && text.p[i] != '%';
		out[len++] = text.p[i] == '+' ? ' ' : text.p[i];
	}
	return crb_slice_trim((struct crb_slice){ out, len }, BLANKS);
}

/* One "NAME[=VALUE]"; *found where it is an action. */
static enum crb_status
check_piece(struct crb_slice piece, bool form, bool *found, struct crb_err *err)
{
	char name_text[ACTION_MAX], action_text[ACTION_MAX];
	struct crb_slice name, action;
	bool name_strict, strict;

	(void)crb_slice_cut(&piece, '=', &name);
	name = decode(name, name_text, &name_strict);
	if (form && !name_strict)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a form has a name that cannot be decoded");
	*found = crb_slice_is_nocase(name, "action");
	if (!*found || piece.p == NULL)
		return CRB_OK;
	action = decode(piece, action_text, &strict);
	if (crb_aws_action_check(action, err) != CRB_OK)
		return err->status;
	if (form &&
	    (!strict ||
		!crb_slice_consists(
		    action, CRB_LOWER CRB_UPPER CRB_DIGITS "_-.:")))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a form's action is not the name of one");
	return CRB_OK;
}

/* Some take ";" for "&": what stands behind either may be a name. */
static struct crb_slice
next_piece(struct crb_slice *rest)
{
	struct crb_slice piece = *rest;

	for (piece.len = 0; piece.len < rest->len; piece.len++) {
		if (strchr("&;\n", piece.p[piece.len]) != NULL &&
		    piece.p[piece.len] != '\0')
			break;
	}
	rest->p += piece.len;
	rest->len -= piece.len;
	if (rest->len > 0) {
		rest->p++;
		rest->len--;
	}
	return piece;
}

enum crb_status
crb_aws_action_check_text(struct crb_slice text, bool form, struct crb_err *err)
{
	bool found, before = false;

	while (text.len > 0) {
		struct crb_slice piece = next_piece(&text);

		if (piece.len == 0)
			continue;
		if (check_piece(piece, form, &found, err) != CRB_OK)
			return err->status;
		if (form && found && before)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a form has more than one action");
		before = before || found;
	}
	return CRB_OK;
}
