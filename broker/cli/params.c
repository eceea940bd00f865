#include "broker/cli/params.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "broker/cli/looks_secret.h"

#define VALUE_FILE_MAX (64u << 10)

static enum crb_status
split(const char *option, const char *item, char **key, const char **value,
    struct crb_err *err)
{
	const char *equals = strchr(item, '=');

	if (equals == NULL || equals == item)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--%s: give it as KEY=VALUE (not shown)", option);
	if ((*key = strndup(item, (size_t)(equals - item))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "--%s", option);
	*value = equals + 1;
	return CRB_OK;
}

static enum crb_status
set(json_t *into, const char *option, const char *key, const char *value,
    struct crb_err *err)
{
	if (json_object_get(into, key) != NULL)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "--%s %s: given twice", option, key);
	if (json_object_set_new(into, key, json_string(value)) == -1)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--%s %s: the value is not UTF-8 text", option, key);
	return CRB_OK;
}

static enum crb_status
read_param(const char *item, json_t *into, struct crb_err *err)
{
	/* Wiped: by mistake it may be a private key. */
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(VALUE_FILE_MAX);
	CRB_AUTO_FREE char *key = NULL;
	const char *value;

	if (split("param", item, &key, &value, err) != CRB_OK)
		return err->status;
	if (value[0] == '@') {
		if (crb_io_read_file(value + 1, &text, err) != CRB_OK)
			return crb_err_context(err, "--param %s", key);
		return set(into, "param", key, crb_buf_text(&text), err);
	}
	if (crb_looks_secret(value))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--param %s: the value looks like a secret (not shown). A "
		    "secret is never an argument: give it at the prompt, on "
		    "standard input, or with --secret-file",
		    key);
	return set(into, "param", key, value, err);
}

enum crb_status
crb_params_read(const struct crb_list *items, json_t *into, struct crb_err *err)
{
	for (size_t i = 0; i < items->count; i++)
		if (read_param(items->item[i], into, err) != CRB_OK)
			return err->status;
	return CRB_OK;
}

enum crb_status
crb_labels_read(const struct crb_list *items, json_t *into, struct crb_err *err)
{
	for (size_t i = 0; i < items->count; i++) {
		CRB_AUTO_FREE char *key = NULL;
		const char *value;

		if (split("label", items->item[i], &key, &value, err) !=
			CRB_OK ||
		    set(into, "label", key, value, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}
