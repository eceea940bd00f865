#include "broker/cli/session_request.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/cli/grant_text.h"
#include "broker/cli/output.h"
#include "broker/cli/params.h"

const char *const crb_aws_choices[] = { "container", "imds", "process",
	"inject", NULL };
const char *const crb_mint_choices[] = { "now", "later", NULL };

enum crb_status
crb_session_request_json(const struct crb_session_request *request, pid_t pid,
    json_t **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;
	json_t *labels, *grants;

	if (!crb_task_ok(request->task))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--task: letters, digits and inside . _ - only, "
		    "128 at most");
	if (crb_grants_json(&request->grants, &grants, err) != CRB_OK)
		return err->status;
	json = json_pack("{s:s, s:s*, s:o*, s:s*, s:s*}", "task", request->task,
	    "profile", request->profile, "grants", grants, "aws", request->aws,
	    "mint", request->mint);
	if (json == NULL || (labels = json_object()) == NULL ||
	    json_object_set_new(json, "labels", labels) == -1)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "--profile: not UTF-8 text");
	if (crb_labels_read(&request->labels, labels, err) != CRB_OK)
		return err->status;
	if (request->ttl > 0)
		(void)json_object_set_new(
		    json, "ttl", json_integer(request->ttl));
	if (request->ask_always)
		(void)json_object_set_new(json, "ask_always", json_true());
	if (pid != 0)
		(void)json_object_set_new(json, "bind_pid", json_integer(pid));
	*out = CRB_STEAL(json);
	return CRB_OK;
}

void
crb_session_notes(const json_t *issued)
{
	size_t i;
	json_t *note;

	json_array_foreach(json_object_get(issued, "notes"), i, note)
	{
		fputs("note: ", stderr);
		crb_output_text(stderr, json_string_value(note));
		fputc('\n', stderr);
	}
}
