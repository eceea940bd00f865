#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "broker/cli/import/original.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both files in one, with the roles of the second that take keys of the first.
 */
static enum crb_status
parse_aws(const char *text, size_t len, struct crb_found_list *out,
    struct crb_err *err)
{
	if (crb_import_aws(text, len, out, err) != CRB_OK)
		return err->status;
	return crb_import_aws_config(text, len, out, err);
}

static crb_import_fn *const parsers[] = { crb_import_netrc,
	crb_import_git_credentials, parse_aws, crb_import_gh, crb_import_npmrc,
	crb_import_docker };

static void
check_found(const struct crb_found *found, size_t size)
{
	if (!crb_name_ok(found->name) || found->to > size ||
	    (found->secret != NULL) != (found->why_not[0] == '\0') ||
	    (found->secret != NULL && found->from >= found->to))
		abort();
}

/*
 * The first byte chooses the format.  What is found can be stored and has a
 * valid name; when all of it is cut, or cutting is refused, none of what was
 * to go is found again, and the rest stays.
 */
static void
check_edit(crb_import_fn *parse, const char *text, size_t size,
    const struct crb_found_list *list)
{
	CRB_AUTO_BUF struct crb_buf copy = CRB_BUF_INIT_WIPED(1u << 20);
	CRB_AUTO_FOUND struct crb_found_list left = { 0 };
	size_t first = 0;
	struct crb_err err;

	while (first < list->count && list->at[first].secret == NULL)
		first++;
	if (first == list->count)
		return;
	crb_buf_add(&copy, text, size);
	/* Cutting may join what stood apart: then it is refused, not wrong. */
	if (crb_original_edit(parse, &copy, list, &first, 1, &err) != CRB_OK)
		return;
	if (copy.len >= size ||
	    parse(crb_buf_text(&copy), copy.len, &left, &err) != CRB_OK)
		abort();
	for (size_t i = 0; i < left.count; i++) {
		if (crb_found_alike(&left.at[i], &list->at[first]))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_FOUND struct crb_found_list list = { 0 };
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(1u << 20);
	struct crb_err err;
	crb_import_fn *parse;

	if (size == 0)
		return 0;
	parse = parsers[data[0] % (sizeof(parsers) / sizeof(*parsers))];
	crb_buf_add(&text, data + 1, size - 1);
	if (text.failed ||
	    parse(crb_buf_text(&text), text.len, &list, &err) != CRB_OK)
		return 0;
	if (crb_found_names(&list, &err) != CRB_OK)
		abort();
	for (size_t i = 0; i < list.count; i++)
		check_found(&list.at[i], text.len);
	check_edit(parse, crb_buf_text(&text), text.len, &list);
	return 0;
}
