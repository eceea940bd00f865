#include "broker/cli/grant_text.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"

#define POLICY "policy="
#define POLICY_FILE POLICY "@"
#define POLICY_FILE_MAX (64u << 10)
#define GRANT_MAX (256u << 10)

/* The three characters that the grammar of scopes needs. */
static void
add_encoded(struct crb_buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '%' || *text == '+' || *text == ',')
			crb_buf_printf(out, "%%%02X", (unsigned)*text);
		else
			crb_buf_char(out, *text);
	}
}

/* Blanks count against what AWS takes, so there are none. */
static enum crb_status
add_policy(struct crb_buf *out, const char *path, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(POLICY_FILE_MAX);
	CRB_AUTO_JSON json_t *policy = NULL;
	char *compact;

	if (*path == '\0')
		return crb_err_set(err, CRB_ERR_USAGE, "@ and no file");
	if (crb_io_read_file(path, &text, err) != CRB_OK ||
	    crb_json_parse(crb_buf_text(&text), text.len, path, &policy, err) !=
		CRB_OK)
		return err->status;
	if ((compact = crb_json_text(policy)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_buf_str(out, POLICY);
	add_encoded(out, compact);
	crb_json_text_free(compact);
	return CRB_OK;
}

static enum crb_status
add_attributes(struct crb_buf *out, struct crb_slice rest, struct crb_err *err)
{
	struct crb_slice piece;
	const char *between = "";

	while (crb_slice_cut(&rest, ',', &piece)) {
		CRB_AUTO_FREE char *text = crb_slice_dup(piece);

		if (text == NULL)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
		crb_buf_str(out, between);
		between = ",";
		if (strncmp(text, POLICY_FILE, strlen(POLICY_FILE)) != 0)
			crb_buf_str(out, text);
		else if (add_policy(out, text + strlen(POLICY_FILE), err) !=
		    CRB_OK)
			return crb_err_context(err, "policy");
	}
	return CRB_OK;
}

enum crb_status
crb_grant_text(const char *typed, char **out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(GRANT_MAX);
	const char *scope = strchr(typed, ':');

	if (scope == NULL) {
		crb_buf_str(&text, typed);
	} else {
		crb_buf_add(&text, typed, (size_t)(scope + 1 - typed));
		if (add_attributes(&text, CRB_SLICE(scope + 1), err) != CRB_OK)
			return crb_err_context(
			    err, "--grant %.*s", (int)(scope - typed), typed);
	}
	if (crb_buf_check(&text, "--grant", err) != CRB_OK)
		return err->status;
	if ((*out = crb_buf_steal(&text)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

enum crb_status
crb_grants_json(const struct crb_list *items, json_t **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *array = json_array();

	if (items->count == 0) {
		*out = NULL;
		return CRB_OK;
	}
	for (size_t i = 0; i < items->count; i++) {
		CRB_AUTO_FREE char *text = NULL;

		if (crb_grant_text(items->item[i], &text, err) != CRB_OK)
			return err->status;
		if (json_array_append_new(array, json_string(text)) == -1)
			return crb_err_set(
			    err, CRB_ERR_USAGE, "--grant: not UTF-8 text");
	}
	*out = CRB_STEAL(array);
	return CRB_OK;
}
