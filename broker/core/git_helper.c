#include "broker/core/git_helper.h"

#include <string.h>

#include "broker/core/credential.h"

#define KEYS_MAX 32

struct asked {
	struct crb_slice protocol, host;
	struct crb_slice keys[KEYS_MAX];
	size_t count;
};

static enum crb_status
broken(struct crb_err *err, const char *what)
{
	return crb_err_set(
	    err, CRB_ERR_INVALID, "not a question of git's: %s", what);
}

/* "wwwauth[]" and "capability[]" may come again. */
static enum crb_status
note_key(struct asked *asked, struct crb_slice key, struct crb_err *err)
{
	if (crb_slice_ends(key, "[]"))
		return CRB_OK;
	for (size_t i = 0; i < asked->count; i++)
		if (asked->keys[i].len == key.len &&
		    memcmp(asked->keys[i].p, key.p, key.len) == 0)
			return broken(err, "a key is there twice");
	if (asked->count == KEYS_MAX)
		return broken(err, "too many keys");
	asked->keys[asked->count++] = key;
	return CRB_OK;
}

static enum crb_status
read_line(struct asked *asked, struct crb_slice line, struct crb_err *err)
{
	struct crb_slice rest = line, key;
	enum crb_status status;

	if (memchr(line.p, '\r', line.len) != NULL ||
	    memchr(line.p, '\0', line.len) != NULL)
		return broken(err, "a line has a CR or a NUL in it");
	if (memchr(line.p, '=', line.len) == NULL || line.p[0] == '=')
		return broken(err, "a line is not key=value");
	(void)crb_slice_cut(&rest, '=', &key);
	if ((status = note_key(asked, key, err)) != CRB_OK)
		return status;
	rest = (struct crb_slice){ line.p + key.len + 1,
		line.len - key.len - 1 };
	if (crb_slice_is(key, "protocol"))
		asked->protocol = rest;
	else if (crb_slice_is(key, "host"))
		asked->host = rest;
	return CRB_OK;
}

static enum crb_status
read_body(struct asked *asked, struct crb_slice body, struct crb_err *err)
{
	struct crb_slice line;
	enum crb_status status;

	while (body.p != NULL && crb_slice_cut(&body, '\n', &line)) {
		if (line.len == 0)
			break;
		if ((status = read_line(asked, line, err)) != CRB_OK)
			return status;
	}
	if (asked->protocol.len == 0 || asked->host.len == 0)
		return broken(err, "protocol and host must be given");
	return CRB_OK;
}

static bool
granted(const struct crb_session *session, struct crb_slice host)
{
	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_credential *credential = crb_map_text(
		    &session->core->credentials,
		    session->grants[i].grant->credential);

		for (size_t k = 0;
		     credential != NULL && k < credential->route.count; k++)
			if (crb_slice_is(host, credential->authority[k]))
				return true;
	}
	return false;
}

enum crb_status
crb_git_helper_get(const struct crb_session *session, struct crb_slice body,
    struct crb_buf *out, struct crb_err *err)
{
	struct asked asked = { 0 };
	enum crb_status status;

	if ((status = read_body(&asked, body, err)) != CRB_OK)
		return status;
	if (granted(session, asked.host))
		crb_buf_str(out, "quit=1\n");
	return CRB_OK;
}
