#include "broker/core/exchange_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "backends/sigv4.h"
#include "broker/core/audit_line.h"

#define REQUEST_TEXT_MAX 2048
/* A key of an object is all that tells it from others. */
#define OBJECT_TEXT_MAX 1100
#define QUERY_TEXT_MAX 256
#define NAMES_TEXT_MAX 700
#define NAME_TEXT_MAX 24
#define VALUE_TEXT_MAX 8
/* Of a push, each ref by its start and its ids' starts. */
#define REFS_TEXT_MAX 1800
#define REF_TEXT_MAX 200
#define ID_TEXT_LEN 12

/*
 * Of a long one each name, and how its value begins: none can be hidden behind
 * others that mean nothing.
 */
static void
query_text(struct crb_slice query, struct crb_buf *out)
{
	size_t end = out->len + NAMES_TEXT_MAX;
	struct crb_slice value, name;

	if (query.len <= QUERY_TEXT_MAX) {
		crb_text_escape(out, query.p, query.len, QUERY_TEXT_MAX);
		return;
	}
	while (out->len < end && crb_slice_cut(&query, '&', &value)) {
		(void)crb_slice_cut(&value, '=', &name);
		crb_text_escape(out, name.p, name.len, NAME_TEXT_MAX);
		if (value.p != NULL) {
			crb_buf_char(out, '=');
			crb_text_escape(
			    out, value.p, value.len, VALUE_TEXT_MAX);
		}
		if (query.p != NULL)
			crb_buf_char(out, '&');
	}
	if (query.p != NULL)
		crb_buf_str(out, "...");
}

/* Of what does not stand there whole, so that two of them differ. */
static void
digest_text(const struct crb_msg_exchange *msg, struct crb_slice path,
    struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf whole = CRB_BUF_INIT(4 * CRB_TARGET_MAX);
	char digest[CRB_SIGV4_HASH];

	if (path.len <= OBJECT_TEXT_MAX && msg->query.len <= QUERY_TEXT_MAX)
		return;
	crb_buf_add(&whole, path.p, path.len);
	if (msg->has_query != 0) {
		crb_buf_char(&whole, '?');
		crb_buf_add(&whole, msg->query.p, msg->query.len);
	}
	crb_sigv4_hash(whole.data, whole.len, digest);
	crb_buf_printf(out, " [sha256 %.16s]", digest);
}

/* "GET s3.eu-west-1.amazonaws.com/alpha/key?versionId=1 (s3 eu-west-1)" */
static void
http_text(const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, struct crb_buf *out)
{
	const struct crb_aws_request *request = &judgement->aws;
	struct crb_slice path = request->path;

	if (judgement->origin != NULL)
		crb_origin_authority(judgement->origin, out);
	else
		path = msg->target; /* it may not even have been understood */
	crb_text_escape(out, path.p, path.len, OBJECT_TEXT_MAX);
	if (msg->has_query != 0) {
		crb_buf_char(out, '?');
		query_text(msg->query, out);
	}
	digest_text(msg, path, out);
	if (request->service[0] != '\0')
		crb_buf_printf(
		    out, " (%s %s)", request->service, request->region);
}

/* " update refs/heads/main 0123.. 4567.." of each ref, as far as there is room.
 */
static void
refs_text(const struct crb_push_commands *commands, struct crb_buf *out)
{
	size_t i = 0;

	for (; i < commands->count && out->len < REFS_TEXT_MAX; i++) {
		const struct crb_push_command *at = &commands->command[i];

		crb_buf_printf(
		    out, "%s %s ", i > 0 ? "," : "", crb_changes[at->change]);
		crb_text_escape(out, at->ref.p, at->ref.len, REF_TEXT_MAX);
		crb_buf_printf(out, " %.*s..%.*s", ID_TEXT_LEN, at->old_id.p,
		    ID_TEXT_LEN, at->new_id.p);
	}
	if (i < commands->count)
		crb_buf_printf(out, ", and %zu more", commands->count - i);
}

/* "GET github.com/acme/api.git/info/refs?service=git-upload-pack" */
static void
request_text(const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, struct crb_buf *out)
{
	size_t most = REQUEST_TEXT_MAX - 64;

	crb_text_escape(out, msg->method.p, msg->method.len, 16);
	crb_buf_char(out, ' ');
	if (msg->route == CRB_ROUTE_HTTP) {
		http_text(msg, judgement, out);
		return;
	}
	crb_text_escape(out, msg->target.p, msg->target.len, most / 4);
	if (msg->has_query != 0) {
		crb_buf_char(out, '?');
		crb_text_escape(out, msg->query.p, msg->query.len, 128);
	}
	if (judgement->commands != NULL)
		refs_text(judgement->commands, out);
}

static void
denial_text(const struct crb_judgement *judgement, uint64_t more, char *out,
    size_t size)
{
	const char *detail = judgement->denial.detail;

	if (more > 0)
		(void)snprintf(out, size,
		    "%.900s (and %" PRIu64 " refusals before it)", detail,
		    more);
	else
		(void)snprintf(out, size, "%s", detail);
}

static void
hash_event(const struct crb_audit_event *event, uint8_t hash[CRB_LINE_HASH])
{
	CRB_AUTO_BUF struct crb_buf fields = CRB_BUF_INIT(CRB_AUDIT_FIELDS_MAX);

	crb_audit_line_fields(&fields, 0, event);
	(void)crypto_generichash(hash, CRB_LINE_HASH,
	    (const uint8_t *)crb_buf_text(&fields), fields.len, NULL, 0);
}

static enum crb_status
put(const struct crb_core *core, const struct crb_exchange_line *what,
    const struct crb_audit_event *event, struct crb_err *err)
{
	if (what->hash != NULL)
		hash_event(event, what->hash);
	if (what->only_hash)
		return CRB_OK;
	return what->durable ? crb_commit_event(core->commit, event, err)
			     : crb_audit_record(core->audit, event, err);
}

/* A line about a judgement, allowed or not. */
enum crb_status
crb_exchange_record(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, const struct crb_exchange_line *what,
    struct crb_err *err)
{
	const struct crb_session *session = judgement->session;
	const struct crb_session_grant *grant = judgement->grant;
	bool denied = strcmp(what->decision, "deny") == 0;
	CRB_AUTO_BUF struct crb_buf request = CRB_BUF_INIT(
	    4 * REQUEST_TEXT_MAX);
	CRB_AUTO_BUF struct crb_buf asked = CRB_BUF_INIT(CRB_AUDIT_ASKED_MAX);
	char who[32] = "unknown session", detail[1100];
	struct crb_audit_event event = {
		.event = what->event,
		.who = who,
		.decision = what->decision,
		.outcome = what->outcome,
		.exchange = what->job,
		.tier = denied ? judgement->denial.tier
			       : judgement->verdict.tier,
		.rule = denied ? judgement->denial.rule : judgement->rule,
		.detail = denied ? detail : what->detail,
		.status = denied ? judgement->denial.http : 0,
	};

	if (denied)
		denial_text(judgement, what->more, detail, sizeof(detail));
	request_text(msg, judgement, &request);
	event.request = crb_buf_text(&request);
	crb_judge_asked(judgement, &asked);
	if (asked.len > 0)
		event.asked = crb_buf_text(&asked);
	if (session != NULL) {
		(void)snprintf(who, sizeof(who), "session %s", session->id);
		event.session = session->id;
		event.task = session->task;
	}
	if (judgement->credential != NULL)
		event.credential = judgement->credential->name;
	if (grant != NULL)
		event.scope = grant->grant->scope_text;
	return put(core, what, &event, err);
}
