#include "broker/cli/session_request.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/cli/params.h"

enum crb_status
crb_session_request_json(const struct crb_session_request *request, pid_t pid,
    json_t **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;
	json_t *labels;

	if (!crb_task_ok(request->task))
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--task: letters, digits and inside . _ - only, "
		    "128 at most");
	json = json_pack("{s:s, s:s*, s:o*}", "task", request->task, "profile",
	    request->profile, "grants", crb_list_json(&request->grants));
	if (json == NULL || (labels = json_object()) == NULL ||
	    json_object_set_new(json, "labels", labels) == -1)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "--grant, --profile: not UTF-8 text");
	if (crb_labels_read(&request->labels, labels, err) != CRB_OK)
		return err->status;
	if (request->ttl > 0)
		(void)json_object_set_new(
		    json, "ttl", json_integer(request->ttl));
	if (pid != 0)
		(void)json_object_set_new(json, "bind_pid", json_integer(pid));
	*out = CRB_STEAL(json);
	return CRB_OK;
}
