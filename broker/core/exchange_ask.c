#include "broker/core/exchange_ask.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* Refs that are shown one by one; all of them are bound by the hash. */
#define REFS_MAX 100
#define OPTIONS_MAX 20
#define SHOWN_BYTES 24000
#define HASH_TEXT 65

/* What HTTP takes for the type of a body that has none (RFC 9110, 8.3). */
static const char no_type[] = "application/octet-stream";

void
crb_exchange_asking_clear(struct crb_exchange_asking *asking)
{
	json_decref(asking->details);
	asking->details = NULL;
}

const char *
crb_exchange_type(const struct crb_shown *shown)
{
	return shown->type[0] != '\0' ? shown->type : no_type;
}

/* Text as it is, and bytes that are none in a form of their own. */
static json_t *
text_of(struct crb_slice bytes)
{
	CRB_AUTO_BUF struct crb_buf escaped = CRB_BUF_INIT(4 * CRB_TARGET_MAX);
	json_t *text = json_stringn(bytes.p, bytes.len);

	if (text != NULL)
		return text;
	crb_text_escape(&escaped, bytes.p, bytes.len, bytes.len);
	return escaped.failed ? NULL : json_sprintf("(bytes) %s", escaped.data);
}

static const char *
hash_text(const uint8_t hash[32], char out[HASH_TEXT])
{
	return sodium_bin2hex(out, HASH_TEXT, hash, 32);
}

static json_t *
origin_of(const struct crb_judgement *judgement)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(300);

	crb_buf_str(&text, judgement->origin->tls ? "https://" : "http://");
	crb_origin_authority(judgement->origin, &text);
	return text.failed ? NULL : json_string(text.data);
}

/* 0 where it is in the object now. */
static int
set(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value);
}

/* What goes out, as it was judged. */
static int
add_target(json_t *details, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement)
{
	const struct crb_aws_request *aws = &judgement->aws;
	bool http = msg->route == CRB_ROUTE_HTTP;
	struct crb_slice path = http ? aws->path : judgement->request.path;
	struct crb_slice query = http ? aws->query : judgement->request.query;

	if (set(details, "method", text_of(msg->method)) != 0 ||
	    set(details, "origin", origin_of(judgement)) != 0 ||
	    set(details, "path", text_of(path)) != 0 ||
	    (msg->has_query != 0 && set(details, "query", text_of(query)) != 0))
		return -1;
	if (!http)
		return 0;
	return set(details, "service", json_string(aws->service)) != 0 ||
		set(details, "region", json_string(aws->region)) != 0
	    ? -1
	    : 0;
}

/* A text for each line; those of git say nothing. */
static int
add_headers(json_t *details, const struct crb_shown *shown)
{
	struct crb_slice rest = CRB_SLICE(shown->headers), line;
	json_t *list;

	if (rest.len == 0)
		return 0;
	list = json_array();
	while (crb_slice_cut(&rest, '\n', &line))
		if (line.len > 0 &&
		    json_array_append_new(list, text_of(line)) != 0) {
			json_decref(list);
			return -1;
		}
	return set(details, "headers", list);
}

static int
add_body(json_t *details, const struct crb_shown *shown)
{
	char hash[HASH_TEXT];

	if (shown == NULL || !shown->has_body)
		return set(details, "body_length", json_integer(0));
	if (add_headers(details, shown) != 0)
		return -1;
	return set(details, "content_type",
		   json_string(crb_exchange_type(shown))) != 0 ||
		set(details, "body_length", json_integer(shown->length)) != 0 ||
		set(details, "body_sha256",
		    json_string(hash_text(shown->hash, hash))) != 0
	    ? -1
	    : 0;
}

static json_t *
ref_of(const struct crb_push_command *command)
{
	return json_pack("{s:o, s:s, s:o, s:o}", "ref", text_of(command->ref),
	    "change", crb_changes[command->change], "old",
	    text_of(command->old_id), "new", text_of(command->new_id));
}

static int
add_refs(json_t *details, const struct crb_push_commands *commands)
{
	json_t *refs = json_array();
	size_t bytes = 0, i = 0;

	for (; i < commands->count && i < REFS_MAX && bytes < SHOWN_BYTES;
	     i++) {
		bytes += commands->command[i].ref.len + 160;
		if (json_array_append_new(
			refs, ref_of(&commands->command[i])) != 0)
			break;
	}
	if (set(details, "refs", refs) != 0)
		return -1;
	return i == commands->count
	    ? 0
	    : set(details, "more",
		  json_integer((json_int_t)(commands->count - i)));
}

static int
add_options(json_t *details, const struct crb_push_commands *commands)
{
	json_t *options;

	if (commands->option_count == 0)
		return 0;
	options = json_array();
	for (size_t i = 0; i < commands->option_count && i < OPTIONS_MAX; i++) {
		struct crb_slice option = commands->option[i];

		option.len = option.len < 200 ? option.len : 200;
		if (json_array_append_new(options, text_of(option)) != 0)
			break;
	}
	return set(details, "options", options) != 0 ||
		set(details, "option_count",
		    json_integer((json_int_t)commands->option_count)) != 0
	    ? -1
	    : 0;
}

static int
add_push(json_t *details, const struct crb_judgement *judgement,
    const struct crb_shown *shown)
{
	const struct crb_push_commands *commands = &shown->commands;
	uint8_t hash[crypto_hash_sha256_BYTES];
	char text[HASH_TEXT];

	(void)crypto_hash_sha256(
	    hash, (const uint8_t *)shown->text.data, shown->text.len);
	if (set(details, "origin", origin_of(judgement)) != 0 ||
	    set(details, "repository",
		json_string(judgement->request.repository)) != 0 ||
	    set(details, "path", text_of(judgement->request.path)) != 0 ||
	    add_refs(details, commands) != 0 ||
	    add_options(details, commands) != 0)
		return -1;
	if (commands->is_signed && set(details, "signed", json_true()) != 0)
		return -1;
	return set(
	    details, "commands_sha256", json_string(hash_text(hash, text)));
}

/* "delete of refs/heads/x in acme/api", "push of 2 refs to acme/api" */
static void
summarize_push(const struct crb_push_commands *commands, const char *repository,
    struct crb_buf *text)
{
	const struct crb_push_command *first = commands->command;

	if (commands->count != 1) {
		crb_buf_printf(text, "push of %zu refs to %.150s",
		    commands->count, repository);
		return;
	}
	crb_buf_printf(text, "%s of ", crb_changes[first->change]);
	crb_text_escape(text, first->ref.p, first->ref.len, 100);
	crb_buf_printf(text, " in %.150s", repository);
}

/* Or "DELETE api.github.com/repos/x". */
static void
summarize(struct crb_exchange_asking *out, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, const struct crb_shown *shown)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(2048);
	struct crb_slice path = msg->route == CRB_ROUTE_HTTP
	    ? judgement->aws.path
	    : judgement->request.path;

	if (shown != NULL && shown->has_commands)
		summarize_push(
		    &shown->commands, judgement->request.repository, &text);
	else {
		crb_text_escape(&text, msg->method.p, msg->method.len, 16);
		crb_buf_char(&text, ' ');
		crb_origin_authority(judgement->origin, &text);
		crb_text_escape(&text, path.p, path.len, 100);
	}
	(void)snprintf(
	    out->summary, sizeof(out->summary), "%s", crb_buf_text(&text));
}

enum crb_status
crb_exchange_asking(const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, const struct crb_shown *shown,
    struct crb_exchange_asking *out, struct crb_err *err)
{
	bool push = shown != NULL && shown->has_commands;
	json_t *details = json_object();

	*out = (struct crb_exchange_asking){ .details = details };
	if (details == NULL ||
	    (push ? add_push(details, judgement, shown)
		  : add_target(details, msg, judgement) != 0 ||
			add_body(details, shown) != 0))
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	summarize(out, msg, judgement, shown);
	out->asked = (struct crb_approval_asked){
		.session = judgement->session,
		.kind = push ? "push" : "request",
		.credential = judgement->credential->name,
		.summary = out->summary,
		.details = details,
		.verdict = &judgement->verdict,
	};
	return crb_approval_bind(&out->asked, err);
}
