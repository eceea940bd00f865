#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "base/text.h"
#include "broker/cli/command.h"
#include "broker/cli/output.h"
#include "broker/cli/params.h"
#include "broker/cli/policy_explain.h"
#include "broker/cli/policy_grant.h"
#include "broker/cli/policy_installed.h"
#include "broker/cli/policy_past.h"
#include "broker/cli/policy_person.h"
#include "broker/cli/policy_question.h"
#include "broker/cli/policy_session.h"

struct explain_options {
	struct crb_common common;
	struct crb_list policies, labels, groups, open, later;
	const char *task, *credential, *scope, *ask, *delivery, *user, *at;
	const char *lasts, *session;
	int64_t event;
	bool ask_always;
};

#define AT(member) offsetof(struct explain_options, member)

static const char *const kinds[] = { "request", "mint", "inject", NULL };
static const char *const deliveries[] = { "mint", "inject", NULL };

static const struct crb_option explain_options[] = {
	{ .name = "task",
	    .letter = 't',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(task),
	    .value = "TASK",
	    .help = "the task that would ask" },
	{ .name = "credential",
	    .letter = 'c',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(credential),
	    .value = "NAME",
	    .help = "the credential that it would ask for" },
	{ .name = "scope",
	    .letter = 's',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(scope),
	    .value = "KEY=VALUE,...",
	    .help = "what for; values are joined with +" },
	{ .name = "ask",
	    .type = CRB_OPTION_CHOICE,
	    .offset = AT(ask),
	    .choices = kinds,
	    .value = "WHAT",
	    .help = "a request, or a grant: mint or inject" },
	{ .name = "delivery",
	    .type = CRB_OPTION_CHOICE,
	    .offset = AT(delivery),
	    .choices = deliveries,
	    .value = "WAY",
	    .help = "mint or inject; as --ask says, if not given" },
	{ .name = "label",
	    .letter = 'l',
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(labels),
	    .value = "KEY=VALUE",
	    .help = "a label of the task" },
	{ .name = "user",
	    .letter = 'u',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(user),
	    .value = "USER",
	    .help = "who issues the session, if not you" },
	{ .name = "group",
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(groups),
	    .value = "GROUP",
	    .help = "his group, instead of those that he is in" },
	{ .name = "at",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(at),
	    .value = "TIME",
	    .help = "in UTC, as in 2027-01-04T09:00:00Z, if not now" },
	{ .name = "lasts",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(lasts),
	    .value = "DURATION",
	    .help = "for how long it is good; a moment, if not given" },
	{ .name = "open",
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(open),
	    .value = "KEY",
	    .help = "what the grant does not narrow" },
	{ .name = "later",
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(later),
	    .value = "KEY",
	    .help = "what is not known yet, such as the ref" },
	{ .name = "session",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(session),
	    .value = "SESSION",
	    .help = "ask for this session: its task, its user, its grants" },
	{ .name = "ask-always",
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(ask_always),
	    .help = "as of a session that asks for everything" },
	{ .name = "event",
	    .letter = 'e',
	    .type = CRB_OPTION_NUMBER,
	    .offset = AT(event),
	    .value = "N",
	    .max = INT64_MAX,
	    .preset = "0",
	    .unset = true,
	    .help = "explain what the audit log's event N was about" },
	{ .name = "policy",
	    .letter = 'p',
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(policies),
	    .value = "FILE",
	    .help = "a policy to ask; those in force, if not given" },
	CRB_COMMON_OPTIONS,
};

static void
set_text(json_t *members, const char *key, const char *text)
{
	if (text != NULL)
		(void)json_object_set_new(
		    members, key, crb_output_string(text));
}

static void
set_list(json_t *members, const char *key, const struct crb_list *list)
{
	json_t *array;

	if (list->count == 0)
		return;
	array = json_array();
	for (size_t i = 0; i < list->count; i++)
		(void)json_array_append_new(
		    array, crb_output_string(list->item[i]));
	(void)json_object_set_new(members, key, array);
}

/* A case has a list of values for each, and here it is one. */
static void
set_labels(json_t *members, json_t *labels)
{
	json_t *lists = json_object(), *value;
	const char *key;

	json_object_foreach(labels, key, value)(void)
	    json_object_set_new(lists, key, json_pack("[O]", value));
	(void)json_object_set_new(members, "labels", lists);
}

static void
set_time(json_t *members, const char *at)
{
	char now[CRB_TIME_TEXT];

	crb_text_time(crb_wall_seconds(), now);
	set_text(members, "at", at != NULL ? at : now);
}

/* What explaining needs, however the question came about. */
struct explaining {
	struct crb_cli *cli;
	const struct explain_options *options;
	struct crb_policy_set set;
	struct crb_policy_session session;
	json_t *notes;       /* owned */
	json_t *credentials; /* of the broker; owned; NULL: not known */
	json_t *line;        /* of the audit log; owned; NULL: none */
};

static void
explaining_clear(struct explaining *explaining)
{
	crb_policy_set_clear(&explaining->set);
	crb_policy_session_clear(&explaining->session);
	json_decref(explaining->notes);
	json_decref(explaining->credentials);
	json_decref(explaining->line);
}
#define AUTO_EXPLAINING __attribute__((cleanup(explaining_clear)))

/* "request", "mint" or "inject": what the broker would ask at issue. */
static const char *
kind_of(const struct explain_options *options,
    const struct crb_backend_ops *backend)
{
	if (options->ask != NULL)
		return options->ask;
	if (options->scope != NULL)
		return "request";
	return backend != NULL && backend->mints ? "mint" : "inject";
}

static bool
pushes(const json_t *members)
{
	const json_t *git = json_object_get(
	    json_object_get(members, "scope"), "git");
	const char *first = json_string_value(json_array_get(git, 0));

	return first != NULL && strncmp(first, "push", 4) == 0;
}

/* A push that does not name its ref yet is one that asks what there is. */
static void
set_push(json_t *members)
{
	static const char *const names[] = { "ref", "change" };

	if (!pushes(members) || json_object_get(members, "later") != NULL ||
	    json_object_get(members, "open") != NULL)
		return;
	(void)json_object_set_new(members, "later", json_array());
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (json_object_get(
			json_object_get(members, "scope"), names[i]) == NULL)
			(void)json_array_append_new(
			    json_object_get(members, "later"),
			    json_string(names[i]));
	}
}

static enum crb_status
set_scope(struct explaining *explaining, const char *credential,
    json_t *members, struct crb_err *err)
{
	const struct explain_options *options = explaining->options;
	const json_t *shown = NULL;
	const struct crb_backend_ops *backend = crb_policy_backend(
	    explaining->credentials, credential, &shown);
	const char *kind = kind_of(options, backend);
	bool request = strcmp(kind, "request") == 0;
	bool mint = strcmp(kind, "mint") == 0;
	json_t *scope = json_object();

	set_text(members, "ask", kind);
	(void)json_object_set_new(members, "scope", scope);
	if (backend == NULL && explaining->credentials != NULL)
		(void)json_array_append_new(explaining->notes,
		    json_string("the broker has no credential of that name"));
	if (!request && backend != NULL)
		return crb_policy_grant_members(
		    backend, shown, mint, options->scope, members, err);
	if (options->scope != NULL &&
	    crb_question_scope_json(options->scope, scope, err) != CRB_OK)
		return err->status;
	if (!request)
		crb_policy_any_members(mint, members);
	else if (backend != NULL)
		crb_policy_request_members(backend, shown, members);
	set_push(members);
	return CRB_OK;
}

/* Those that a session has; what was typed goes before them. */
static enum crb_status
set_session(struct explaining *explaining, json_t *members, struct crb_err *err)
{
	const char *id = explaining->options->session;
	CRB_AUTO_JSON json_t *facts = NULL;
	const json_t *shown;
	struct crb_err ignored;

	if (crb_policy_session_read(explaining->cli, id,
		explaining->credentials, &explaining->session, err) != CRB_OK)
		return err->status;
	shown = explaining->session.shown;
	set_text(members, "task", crb_member(shown, "task"));
	set_text(members, "user", crb_member(shown, "user"));
	if (crb_policy_past_facts(explaining->cli, crb_member(shown, "id"),
		&facts, &ignored) == CRB_OK &&
	    json_is_array(json_object_get(facts, "groups")))
		(void)json_object_set(
		    members, "groups", json_object_get(facts, "groups"));
	return CRB_OK;
}

static enum crb_status
set_facts(struct explaining *explaining, json_t *members, struct crb_err *err)
{
	const struct explain_options *options = explaining->options;
	CRB_AUTO_JSON json_t *labels = json_object();
	const char *user = options->user;

	if (options->session != NULL &&
	    set_session(explaining, members, err) != CRB_OK)
		return err->status;
	set_text(members, "task", options->task);
	set_text(members, "user", options->user);
	set_list(members, "groups", &options->groups);
	if (json_object_get(members, "task") == NULL)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--task and --credential say what is asked, or --event");
	if (user == NULL)
		user = crb_member(members, "user");
	crb_policy_person(user, members);
	(void)json_object_update(
	    labels, json_object_get(explaining->session.shown, "labels"));
	if (crb_labels_read(&options->labels, labels, err) != CRB_OK)
		return err->status;
	set_labels(members, labels);
	return CRB_OK;
}

static enum crb_status
show(struct explaining *explaining, const struct crb_question *question,
    json_t *told)
{
	struct crb_tiers tiers = crb_policy_set_tiers(&explaining->set);
	bool always = explaining->options->ask_always ||
	    json_is_true(
		json_object_get(explaining->session.shown, "ask_always"));

	if (explaining->session.shown != NULL &&
	    question->kind == CRB_QUESTION_REQUEST)
		tiers.session = &explaining->session.tier;
	if (told == NULL)
		crb_policy_explain_print(
		    &tiers, question, explaining->set.problem, always);
	else
		(void)json_array_append_new(told,
		    crb_policy_explain_json(
			&tiers, question, explaining->set.problem, always));
	return CRB_OK;
}

static enum crb_status
explain_asked(struct explaining *explaining, json_t *told, struct crb_err *err)
{
	const struct explain_options *options = explaining->options;
	CRB_AUTO_CASES struct crb_cases *cases = NULL;
	CRB_AUTO_JSON json_t *members = json_object();
	struct crb_question question;

	if (options->credential == NULL)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--task and --credential say what is asked, or --event");
	set_text(members, "credential", options->credential);
	set_text(members, "delivery", options->delivery);
	set_text(members, "lasts", options->lasts);
	set_list(members, "open", &options->open);
	set_list(members, "later", &options->later);
	set_time(members, options->at);
	if (set_facts(explaining, members, err) != CRB_OK ||
	    set_scope(explaining, options->credential, members, err) !=
		CRB_OK ||
	    crb_question_read(members, crb_policy_set_zones(&explaining->set),
		&cases, &question, err) != CRB_OK)
		return err->status;
	return show(explaining, &question, told);
}

/* What was decided then; the rest of the page is about now. */
static void
print_then(const json_t *line)
{
	static const char *const keys[] = { "time", "event", "session",
		"request", "decision", "tier", "rule", "detail" };

	printf("%-12s %lld\n", "audited as", crb_member_number(line, "n"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *value = crb_member(line, keys[i]);

		crb_output_pair(
		    keys[i], value != NULL && value[0] == '\0' ? "-" : value);
	}
	putchar('\n');
}

static enum crb_status
explain_event(struct explaining *explaining, json_t *told, struct crb_err *err)
{
	CRB_AUTO_PAST struct crb_policy_past past = { 0 };
	CRB_AUTO_JSON json_t *facts = NULL;
	struct crb_cli *cli = explaining->cli;
	const char *session;
	json_t *line;

	if (crb_policy_past_line(cli, explaining->options->event,
		&explaining->line, err) != CRB_OK)
		return err->status;
	line = explaining->line;
	session = crb_member(line, "session");
	if (session != NULL &&
	    (crb_policy_past_facts(cli, session, &facts, err) != CRB_OK))
		return err->status;
	if (crb_policy_past_make(line, facts,
		crb_policy_set_zones(&explaining->set), &past, err) != CRB_OK)
		return err->status;
	/* Of a grant they are not asked. */
	if (session != NULL &&
	    crb_policy_session_at(cli, session, explaining->options->event,
		explaining->credentials, explaining->notes,
		&explaining->session, err) != CRB_OK)
		return err->status;
	if (told == NULL)
		print_then(line);
	for (size_t i = 0; i < past.count; i++) {
		if (told == NULL && i > 0)
			putchar('\n');
		(void)show(explaining, &past.at[i].question, told);
	}
	return CRB_OK;
}

static enum crb_status
explain_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const struct explain_options *options = opaque;
	AUTO_EXPLAINING struct explaining explaining = {
		.cli = cli, .options = options, .notes = json_array()
	};
	CRB_AUTO_JSON json_t *told = NULL;
	CRB_AUTO_JSON json_t *json = NULL;
	enum crb_status status;

	(void)operands;
	if (crb_policy_set_named(cli, &options->policies, &explaining.set,
		explaining.notes, err) != CRB_OK)
		return err->status;
	explaining.credentials = crb_policy_credentials(
	    cli, options->policies.count == 0 ? explaining.notes : NULL);
	if (cli->common->json)
		told = json_array();
	status = options->event > 0 ? explain_event(&explaining, told, err)
				    : explain_asked(&explaining, told, err);
	if (told == NULL)
		crb_policy_notes_print(explaining.notes);
	if (status != CRB_OK || told == NULL)
		return status;
	json = json_pack("{s:O, s:O*, s:O}", "notes", explaining.notes, "event",
	    explaining.line, "explained", told);
	crb_output_json(json);
	return CRB_OK;
}

const struct crb_command crb_command_policy_explain = {
	.name = "policy explain",
	.summary = "what would be decided, and why",
	.details =
	    "Each rule of each tier, what became of it, and the verdict. With\n"
	    "--scope it is about one request, without it about a grant.\n"
	    "\n"
	    "  credbroker policy explain --task fix-1 --credential github "
	    "--scope\n"
	    "    repository=acme/api,git=push,ref=refs/heads/main,"
	    "change=update\n",
	.options = explain_options,
	.options_size = sizeof(struct explain_options),
	.run = explain_run,
};
