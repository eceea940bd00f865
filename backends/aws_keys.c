#include "backends/aws_keys.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/slab.h"
#include "base/text.h"

#define TEXT_MAX (CRB_AWS_ID_MAX + CRB_AWS_SECRET_MAX + CRB_AWS_TOKEN_MAX + 2)
#define ID_MIN 3u

void
crb_aws_keys_clear(struct crb_aws_keys *keys)
{
	crb_slab_free(keys->text);
	memset(keys, 0, sizeof(*keys));
}

static bool
is_visible(const char *text, size_t most)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return len > 0 && len <= most;
}

static bool
is_id(const char *text)
{
	size_t len = strlen(text);

	return len >= ID_MIN && len <= CRB_AWS_ID_MAX &&
	    strspn(text, CRB_LOWER CRB_UPPER CRB_DIGITS "_") == len;
}

static enum crb_status
check(
    const char *id, const char *secret, const char *token, struct crb_err *err)
{
	if (!is_id(id))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the access key's id must be %u to %d letters, digits and "
		    "\"_\"",
		    ID_MIN, CRB_AWS_ID_MAX);
	if (!is_visible(secret, CRB_AWS_SECRET_MAX))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the secret access key must be 1 to %d printable ASCII "
		    "characters without blanks",
		    CRB_AWS_SECRET_MAX);
	if (token != NULL && !is_visible(token, CRB_AWS_TOKEN_MAX))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the session token must be 1 to %d printable ASCII "
		    "characters without blanks",
		    CRB_AWS_TOKEN_MAX);
	return CRB_OK;
}

/* The text behind the line's end, which becomes a NUL; NULL: it was the last.
 */
static char *
cut_line(char *line)
{
	char *end = strchr(line, '\n');

	if (end == NULL)
		return NULL;
	*end = '\0';
	return end + 1;
}

enum crb_status
crb_aws_keys_parse(const struct crb_secret *text, struct crb_aws_keys *out,
    struct crb_err *err)
{
	CRB_AUTO_AWS_KEYS struct crb_aws_keys keys = { 0 };
	size_t len = crb_secret_len(text);
	enum crb_status status;
	char *secret, *token;

	if (len > TEXT_MAX || strlen(crb_secret_bytes(text)) != len)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "AWS keys are too long, or have a NUL");
	if ((keys.text = crb_slab_strdup(crb_secret_bytes(text))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if ((secret = cut_line(keys.text)) == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "AWS keys are an id, a secret and perhaps a token, on a "
		    "line each");
	token = cut_line(secret);
	if ((status = check(keys.text, secret, token, err)) != CRB_OK)
		return status;
	*out = (struct crb_aws_keys){ .id = keys.text,
		.secret = secret,
		.token = token,
		.text = keys.text };
	keys.text = NULL;
	return CRB_OK;
}

enum crb_status
crb_aws_keys_text(const char *id, const char *secret, const char *token,
    struct crb_secret **out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(TEXT_MAX);
	enum crb_status status;

	if ((status = check(id, secret, token, err)) != CRB_OK)
		return status;
	crb_buf_str(&text, id);
	crb_buf_char(&text, '\n');
	crb_buf_str(&text, secret);
	if (token != NULL) {
		crb_buf_char(&text, '\n');
		crb_buf_str(&text, token);
	}
	if ((status = crb_buf_check(&text, "AWS keys", err)) != CRB_OK)
		return status;
	return crb_secret_take(text.data, text.len, out, err);
}
