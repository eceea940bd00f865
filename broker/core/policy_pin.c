#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "broker/core/policies_impl.h"

#define WHERE "stored mark of the policies"
#define VERSION 1

json_t *
crb_policy_mark_record(const struct crb_policy_mark *mark)
{
	CRB_AUTO_BUF struct crb_buf pin = CRB_BUF_INIT(128);

	if (mark->pinned)
		crb_public_key_line(&mark->pin, &pin);
	return json_pack("{s:i, s:s, s:I, s:s, s:s}", "version", VERSION, "pin",
	    crb_buf_text(&pin), "serial", (json_int_t)mark->serial, "sha256",
	    mark->sha256, "key", mark->key);
}

static enum crb_status
copy_text(const char *text, char *out, size_t size, struct crb_err *err)
{
	if (strlen(text) >= size)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, WHERE ": a text is too long");
	memcpy(out, text, strlen(text) + 1);
	return CRB_OK;
}

enum crb_status
crb_policy_mark_parse(const char *text, size_t len, struct crb_policy_mark *out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;
	const char *pin, *sha256, *key;
	enum crb_status status;
	int64_t version;

	*out = (struct crb_policy_mark){ .stored = true };
	if ((status = crb_json_parse(text, len, WHERE, &json, err)) ||
	    (status = crb_json_integer(
		 json, "version", WHERE, VERSION, VERSION, &version, err)) ||
	    (status = crb_json_string(json, "pin", WHERE, &pin, err)) ||
	    (status = crb_json_integer(
		 json, "serial", WHERE, 0, INT64_MAX, &out->serial, err)) ||
	    (status = crb_json_string(json, "sha256", WHERE, &sha256, err)) ||
	    (status = crb_json_string(json, "key", WHERE, &key, err)) ||
	    (status = copy_text(
		 sha256, out->sha256, sizeof(out->sha256), err)) ||
	    (status = copy_text(key, out->key, sizeof(out->key), err)))
		return status;
	out->pinned = pin[0] != '\0';
	if (out->pinned &&
	    crb_public_key_parse(pin, strlen(pin), &out->pin, err) != CRB_OK)
		return crb_err_context(err, WHERE);
	return CRB_OK;
}

/* There is one record of the kind: what a second one said could be either. */
enum crb_status
crb_policies_load(struct crb_policies *policies, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	if (policies->mark.stored)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, WHERE ": there are two");
	if (crb_policy_mark_parse(crb_secret_bytes(plain),
		crb_secret_len(plain), &policies->mark, err) != CRB_OK)
		return err->status;
	policies->mark.record = *id;
	return CRB_OK;
}
