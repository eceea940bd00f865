/*
 * Strict JSON reading, and the line of a value.  The first line of the input
 * is a path, the rest a text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What parses can be written, and what was written parses to the same. */
static void
check_round_trip(const json_t *json)
{
	CRB_AUTO_JSON json_t *again = NULL;
	struct crb_err err;
	char *text;

	if ((text = crb_json_text(json)) == NULL)
		abort();
	if (strchr(text, '\n') != NULL ||
	    crb_json_parse(text, strlen(text), "again", &again, &err) !=
		CRB_OK ||
	    json_equal(json, again) == 0)
		abort();
	crb_json_text_free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice rest = { (const char *)data, size }, first;
	CRB_AUTO_JSON json_t *json = NULL;
	CRB_AUTO_FREE char *path = NULL, *text = NULL;
	struct crb_err err = { 0 };
	unsigned line, lines = 1;

	if (size == 0 || !crb_slice_cut(&rest, '\n', &first) || rest.p == NULL)
		return 0;
	/* Copies, exactly sized. */
	if ((path = crb_slice_dup(first)) == NULL ||
	    (text = malloc(rest.len + 1)) == NULL)
		return 0;
	memcpy(text, rest.p, rest.len);

	for (size_t i = 0; i < rest.len; i++)
		lines += text[i] == '\n';
	line = crb_json_line(text, rest.len, path);
	if (line > lines)
		abort();
	if (crb_json_parse(text, rest.len, "fuzz", &json, &err) == CRB_OK)
		check_round_trip(json);
	else if (err.msg[0] == '\0' || json != NULL)
		abort();
	return 0;
}
