#include "broker/cli/credential_aws.h"

#include <stdio.h>
#include <string.h>

#include "backends/aws_keys.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "broker/cli/credential_ask.h"
#include "broker/cli/output.h"
#include "broker/cli/secret_input.h"

#define ANSWER_MAX 2100
/* A secret access key of AWS's is so long; no id is. */
#define SECRET_LEN 40
/* What the ids of keys begin with that work with a session token only. */
#define SESSION_ID "ASIA"

bool
crb_aws_is(const struct crb_backend_ops *backend)
{
	return strcmp(backend->form, "aws-keys") == 0;
}

static enum crb_status
ask_param(
    json_t *params, const char *key, const char *question, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf answer = CRB_BUF_INIT(ANSWER_MAX);

	if (crb_ask(question, NULL, &answer, err) != CRB_OK)
		return err->status;
	if (answer.len > 0 &&
	    json_object_set_new(
		params, key, json_string(crb_buf_text(&answer))) == -1)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "%s: not UTF-8 text", key);
	return CRB_OK;
}

enum crb_status
crb_aws_ask_params(json_t *params, struct crb_err *err)
{
	if (json_object_get(params, "role-arn") == NULL &&
	    json_object_get(params, "call") == NULL &&
	    ask_param(params, "role-arn",
		"Role that sessions get keys of (ARN; empty: none, the user's "
		"own narrowed)",
		err) != CRB_OK)
		return err->status;
	if (json_object_get(params, "region") == NULL &&
	    json_object_get(params, "endpoint-url") == NULL)
		return ask_param(
		    params, "region", "Region, as in eu-west-1", err);
	return CRB_OK;
}

static enum crb_status
ask_hidden(const char *what, struct crb_secret **out, struct crb_err *err)
{
	static const struct crb_secret_source terminal = { .fd = -1 };

	return crb_secret_input(&terminal, what, false, out, err);
}

/* The bytes end with a NUL, which is not counted. */
enum crb_status
crb_aws_ask_keys(struct crb_secret **out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf id = CRB_BUF_INIT_WIPED(ANSWER_MAX);
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	CRB_AUTO_SECRET struct crb_secret *token = NULL;

	if (crb_ask_shown("Access key id", NULL, &id, err) != CRB_OK)
		return err->status;
	if (id.len >= SECRET_LEN)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "that is no id (not shown); the secret access key is asked "
		    "for next, without echo; nothing was stored");
	if (ask_hidden("Secret access key (not shown)", &secret, err) != CRB_OK)
		return err->status;
	if (strncmp(crb_buf_text(&id), SESSION_ID, strlen(SESSION_ID)) == 0 &&
	    ask_hidden("Session token (not shown)", &token, err) != CRB_OK)
		return err->status;
	return crb_aws_keys_text(crb_buf_text(&id), crb_secret_bytes(secret),
	    token != NULL ? crb_secret_bytes(token) : NULL, out, err);
}

void
crb_aws_print_try(const char *name)
{
	printf("Try: credbroker run --task hello --grant "
	       "'%s:actions=s3:ListBucket,resources=arn:aws:s3:::BUCKET' \\\n"
	       "    -- aws s3 ls s3://BUCKET\n",
	    name);
}

void
crb_aws_print_stored(const char *name, const json_t *params)
{
	const char *role = crb_member(params, "role-arn");
	const char *call = crb_member(params, "call");
	const char *url = crb_member(params, "endpoint-url");
	const char *duration = crb_member(params, "duration");

	printf("aws-sts, used only to ask STS%s%s for keys",
	    url != NULL ? " at " : "", url != NULL ? url : "");
	if (role != NULL)
		printf(" of the role %s", role);
	printf(
	    ", which last %s at most and can do what a session was granted.\n",
	    duration != NULL ? duration : "1h");
	if (call != NULL && strcmp(call, "session-token") == 0)
		puts(
		    "Keys of call=session-token cannot be narrowed: they can do all that "
		    "the stored ones can.");
	crb_aws_print_try(name);
}
