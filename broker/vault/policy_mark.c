#include "broker/vault/policy_mark.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

#define WHERE "stored mark of the policies"
#define VERSION 1

json_t *
crb_policy_mark_json(const struct crb_policy_mark *mark)
{
	return json_pack("{s:i, s:s, s:I, s:s, s:s}", "version", VERSION, "pin",
	    mark->pin, "serial", (json_int_t)mark->serial, "sha256",
	    mark->sha256, "key", mark->key);
}

static enum crb_status
read_text(const json_t *json, const char *key, char *out, size_t size,
    struct crb_err *err)
{
	const char *text;

	if (crb_json_string(json, key, WHERE, &text, err) != CRB_OK)
		return err->status;
	if (strlen(text) >= size)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, WHERE ": %s is too long", key);
	memcpy(out, text, strlen(text) + 1);
	return CRB_OK;
}

enum crb_status
crb_policy_mark_parse(const char *text, size_t len, struct crb_policy_mark *out,
    struct crb_err *err)
{
	struct crb_policy_mark mark = { .serial = 0 };
	CRB_AUTO_JSON json_t *json = NULL;
	int64_t version;

	if (crb_json_parse(text, len, WHERE, &json, err) != CRB_OK ||
	    crb_json_integer(json, "version", WHERE, VERSION, VERSION, &version,
		err) != CRB_OK ||
	    crb_json_integer(json, "serial", WHERE, 0, INT64_MAX, &mark.serial,
		err) != CRB_OK ||
	    read_text(json, "pin", mark.pin, sizeof(mark.pin), err) != CRB_OK ||
	    read_text(json, "sha256", mark.sha256, sizeof(mark.sha256), err) !=
		CRB_OK ||
	    read_text(json, "key", mark.key, sizeof(mark.key), err) != CRB_OK)
		return err->status;
	*out = mark;
	return CRB_OK;
}
