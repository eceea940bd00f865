#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "broker/core/approval_impl.h"

/* What a pipe holds, whether anybody reads it or not. */
#define HOOK_MAX 65536
/*
 * The hook is run so often at once, and then once in so long; and in any case
 * for the first so many that a session waits for.
 */
#define HOOKS_MOST 10
#define HOOKS_US 2000000
#define HOOKS_SESSION 2

/*
 * All of it is in the pipe, and its other end closed, before anybody reads: so
 * nobody waits for anybody.
 */
static enum crb_status
fill(const char *text, size_t len, int *out, struct crb_err *err)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
		return crb_err_errno(err, "pipe");
	CRB_AUTO_FD int from = pair[0];
	CRB_AUTO_FD const int to = pair[1];

	if (crb_io_write(to, text, len, 0, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL_FD(from);
	return CRB_OK;
}

static enum crb_status
send_hook(struct crb_core *core, const char *text, struct crb_err *err)
{
	const struct crb_msg_hook msg = { 0 };
	CRB_AUTO_FD int from = -1;
	enum crb_status status;

	status = fill(text, strlen(text), &from, err);
	if (status == CRB_OK)
		status = crb_link_send(
		    &core->supervisor, CRB_MSG_HOOK, &msg, from, err);
	return status;
}

/* A sandbox that asks for much does not keep others from being heard. */
static bool
has_few(const struct crb_approval *approval)
{
	const struct crb_approval *at;
	unsigned count = 0;

	TAILQ_FOREACH(at, &approval->approvals->list, link)
	{
		if (at->state != CRB_APPROVAL_DENIED &&
		    strcmp(at->session, approval->session) == 0)
			count++;
		if (at == approval)
			break;
	}
	return count <= HOOKS_SESSION;
}

static char *
text_of(const struct crb_approval *approval, bool details)
{
	CRB_AUTO_JSON json_t *shown = crb_approval_shown(approval, details);

	return shown != NULL
	    ? json_dumps(
		  shown, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII)
	    : NULL;
}

/* Whatever a sandbox puts into its request, somebody hears of it. */
static char *
text_that_fits(const struct crb_approval *approval)
{
	char *text = text_of(approval, true);

	if (text == NULL || strlen(text) <= HOOK_MAX)
		return text;
	crb_json_text_free(text);
	return text_of(approval, false);
}

void
crb_approval_hook(const struct crb_approval *approval)
{
	struct crb_approvals *approvals = approval->approvals;
	struct crb_core *core = approvals->core;
	struct crb_err err;
	char *text;

	if (core->config.approval_hook.count == 0)
		return;
	if (!has_few(approval) &&
	    !crb_rate_take(&approvals->hooks, crb_loop_now(core->loop),
		HOOKS_US, HOOKS_MOST)) {
		crb_log(CRB_LOG_WARN, "approval hook not run", CRB_LOG_REASON,
		    "too often", CRB_LOG_END);
		return;
	}
	text = text_that_fits(approval);
	if (text != NULL && send_hook(core, text, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "approval hook not run", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
	crb_json_text_free(text);
}
