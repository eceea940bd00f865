#include "broker/core/answer.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"

#define ANSWER_MAX 131072u

static const char object_type[] = "application/json";
static const char problem_type[] = "application/problem+json";
static const char plain_type[] = "text/plain; charset=utf-8";

void
crb_answer_init(struct crb_answer *answer, struct crb_core *core,
    const struct crb_msg_query *msg)
{
	*answer = (struct crb_answer){
		.core = core,
		.exchange = msg->exchange,
		.gateway = core->gateway.started,
		/* git's helper reads lines, never JSON. */
		.plain = msg->plain != 0 || msg->what == CRB_QUERY_GIT_GET,
		.aws = msg->what == CRB_QUERY_LEASE,
		.status = 200,
		.type = object_type,
		.code = "",
		.body = CRB_BUF_INIT_WIPED(ANSWER_MAX),
	};
}

void
crb_answer_json(struct crb_answer *answer, json_t *json)
{
	char *text = json != NULL ? crb_json_text(json) : NULL;

	if (text == NULL)
		answer->body.failed = true;
	else
		crb_buf_str(&answer->body, text);
	crb_json_text_free(text);
	json_decref(json);
}

void
crb_answer_denial(struct crb_answer *answer, const struct crb_denial *denial)
{
	char *text = NULL;

	crb_buf_reset(&answer->body);
	answer->body.failed = false;
	answer->status = denial->http;
	answer->code = denial->code;
	answer->type = answer->plain ? plain_type : problem_type;
	if (answer->plain) {
		crb_denial_plain(denial, &answer->body);
		return;
	}
	text = answer->aws ? crb_denial_aws(denial) : crb_denial_json(denial);
	crb_buf_str(&answer->body, text != NULL ? text : "{}");
	crb_json_text_free(text);
}

void
crb_answer_error(struct crb_answer *answer, const struct crb_err *why)
{
	struct crb_denial denial;

	crb_denial_error(&denial, why);
	crb_answer_denial(answer, &denial);
}

static void
send_it(const struct crb_answer *answer)
{
	const struct crb_msg_answer msg = {
		.exchange = answer->exchange,
		.status = (uint16_t)answer->status,
		.type = CRB_SLICE(answer->type),
		.code = CRB_SLICE(answer->code),
		.retry = (uint16_t)answer->retry,
		.body = { crb_buf_text(&answer->body), answer->body.len },
	};
	struct crb_err err;

	if (crb_link_send(&answer->core->gateway, CRB_MSG_ANSWER, &msg, -1,
		&err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "answer not sent", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

void
crb_answer_send(struct crb_answer *answer)
{
	struct crb_err why;

	if (answer->body.failed) {
		(void)crb_err_set(
		    &why, CRB_ERR_TOO_LARGE, "the answer is too long");
		crb_answer_error(answer, &why);
	}
	if (answer->gateway == answer->core->gateway.started)
		send_it(answer);
	crb_buf_clear(&answer->body);
}
