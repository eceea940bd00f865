#include "broker/cli/approval_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/units.h"
#include "broker/cli/output.h"

#define TEXT_MAX (1u << 20)

/*
 * Whoever approves has to see all of it, so it is not cut.  The broker has
 * escaped what a sandbox chose; a second time it would be hard to read.
 */
static void
put(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text >= ' ' && *text < 0x7f)
			putchar(*text);
		else
			printf("\\x%02x", (unsigned char)*text);
	}
}

static void
put_pair(const char *label, const char *text)
{
	printf("%-12s ", label);
	put(text);
	putchar('\n');
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = crb_member(object, key);

	return text != NULL ? text : "-";
}

/* How long it is good for, and for what. */
static const struct {
	const char *state;
	bool held;
	const char *before, *behind;
} lefts[] = {
	{ "waiting", true, "", " left, held meanwhile" },
	{ "waiting", false, "",
	    " left, held no more: it has to be asked again" },
	{ "approved", true, "", " left" },
	{ "approved", false, "good for ", ", once it is asked again" },
	{ "denied", true, "the same is refused for ", "" },
	{ "denied", false, "the same is refused for ", "" },
};

static void
print_state(const json_t *approval)
{
	bool held = crb_member_number(approval, "held") > 0;
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(TEXT_MAX);
	const char *state = text_of(approval, "state");
	char left[CRB_DURATION_TEXT];

	crb_output_left(crb_member(approval, "expires"), left);
	crb_buf_printf(&text, "%s  %s", text_of(approval, "id"), state);
	for (size_t i = 0; i < sizeof(lefts) / sizeof(*lefts); i++)
		if (strcmp(state, lefts[i].state) == 0 && held == lefts[i].held)
			crb_buf_printf(&text, ", %s%s%s", lefts[i].before, left,
			    lefts[i].behind);
	crb_output_pair("approval", crb_buf_text(&text));
}

/* For whoever reads it where it can be answered. */
static void
print_ways(const json_t *approval)
{
	const char *id = text_of(approval, "id");

	if (strcmp(text_of(approval, "state"), "waiting") != 0)
		return;
	printf("%-12s credbroker approve ", "answer");
	put(id);
	fputs(", or: credbroker deny ", stdout);
	put(id);
	puts(" --reason '...'");
}

static void
print_request(const json_t *details)
{
	CRB_AUTO_BUF struct crb_buf url = CRB_BUF_INIT(TEXT_MAX);
	const char *query = crb_member(details, "query");
	const char *type = crb_member(details, "content_type");
	const char *hash = crb_member(details, "body_sha256");
	char body[256];

	crb_buf_printf(&url, "%s %s%s", text_of(details, "method"),
	    text_of(details, "origin"), text_of(details, "path"));
	if (query != NULL)
		crb_buf_printf(&url, "?%s", query);
	put_pair("request", crb_buf_text(&url));
	if (type != NULL && type[0] != '\0')
		put_pair("content type", type);
	if (hash == NULL)
		return;
	(void)snprintf(body, sizeof(body), "%lld bytes, SHA-256 %.64s",
	    crb_member_number(details, "body_length"), hash);
	crb_output_pair("body", body);
}

/* "refs/heads/main  update  OLD -> NEW": of a new one there is no old one. */
static void
print_ref(const json_t *ref)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(TEXT_MAX);
	const char *change = text_of(ref, "change");

	crb_buf_printf(&text, "%s  %s  ", text_of(ref, "ref"), change);
	if (strcmp(change, "create") == 0)
		crb_buf_str(&text, text_of(ref, "new"));
	else if (strcmp(change, "delete") == 0)
		crb_buf_str(&text, text_of(ref, "old"));
	else
		crb_buf_printf(&text, "%s -> %s", text_of(ref, "old"),
		    text_of(ref, "new"));
	put_pair("ref", crb_buf_text(&text));
}

static void
print_push(const json_t *details)
{
	CRB_AUTO_BUF struct crb_buf where = CRB_BUF_INIT(TEXT_MAX);
	const char *hash = crb_member(details, "commands_sha256");
	long long more = crb_member_number(details, "more");
	size_t i;
	json_t *ref;

	crb_buf_printf(&where, "%s at %s", text_of(details, "repository"),
	    text_of(details, "origin"));
	put_pair("push to", crb_buf_text(&where));
	json_array_foreach(json_object_get(details, "refs"), i, ref)
	    print_ref(ref);
	if (more > 0)
		printf("%-12s and %lld more, which are not shown\n", "", more);
	if (hash != NULL)
		put_pair("all of it", hash);
}

static bool
is_told(const char *key)
{
	static const char *const told[] = { "method", "origin", "path", "query",
		"content_type", "body_length", "body_sha256", "repository",
		"refs", "more", "commands_sha256" };

	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++)
		if (strcmp(told[i], key) == 0)
			return true;
	return false;
}

/*
 * What has no words of its own above, such as the order of a mint with its
 * session policy: whatever is bound is shown.
 */
static void
print_others(json_t *details, bool all)
{
	json_t *value;
	const char *key;

	json_object_foreach(details, key, value)
	{
		if (!all && is_told(key))
			continue;
		if (json_is_string(value)) {
			put_pair(key, json_string_value(value));
			continue;
		}
		printf("%-12s ", key);
		(void)json_dumpf(value, stdout,
		    JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_INDENT(2));
		putchar('\n');
	}
}

static void
print_who(const json_t *approval)
{
	const char *user = crb_member(approval, "user");

	crb_output_pair("task", crb_member(approval, "task"));
	crb_output_pair("session", crb_member(approval, "session"));
	crb_output_pair("issued by", user);
	crb_output_pair("credential", crb_member(approval, "credential"));
}

/* "ask-delete of acme (organization): what is deleted is looked at" */
static void
print_rule(const json_t *approval)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(TEXT_MAX);
	const char *policy = crb_member(approval, "policy");
	const char *reason = crb_member(approval, "reason");

	crb_buf_str(&text, text_of(approval, "rule"));
	if (policy != NULL && policy[0] != '\0')
		crb_buf_printf(&text, " of %s", policy);
	crb_buf_printf(&text, " (%s)", text_of(approval, "tier"));
	if (reason != NULL && reason[0] != '\0')
		crb_buf_printf(&text, ": %s", reason);
	put_pair("rule", crb_buf_text(&text));
}

static void
print_approvers(const json_t *approval)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(TEXT_MAX);
	const json_t *group;
	size_t i;

	json_array_foreach(json_object_get(approval, "approvers"), i, group)
	    crb_buf_printf(&text, "%s%s", i > 0 ? " and " : "in ",
		json_string_value(group));
	if (json_is_true(json_object_get(approval, "four_eyes")))
		crb_buf_printf(&text, "%snot the user who issued the session",
		    text.len > 0 ? ", and " : "");
	if (text.len > 0)
		put_pair("approvers", crb_buf_text(&text));
}

void
crb_approval_print(const json_t *approval)
{
	const char *kind = text_of(approval, "kind");
	json_t *details = json_object_get(approval, "details");
	bool request = strcmp(kind, "request") == 0;
	bool push = strcmp(kind, "push") == 0;

	print_state(approval);
	if (crb_member(approval, "denied") != NULL)
		put_pair("denied", crb_member(approval, "denied"));
	/* Of very many they are left out. */
	if (details == NULL)
		put_pair(kind, text_of(approval, "summary"));
	else if (request)
		print_request(details);
	else if (push)
		print_push(details);
	else
		put_pair(kind, text_of(approval, "summary"));
	print_others(details, !request && !push);
	print_who(approval);
	print_rule(approval);
	print_approvers(approval);
	print_ways(approval);
}

void
crb_approval_line(const json_t *approval)
{
	static const char *const keys[] = { "id", "state", "task", "session",
		"user", "credential", "summary", "tier", "rule", "expires" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (i > 0)
			putchar('\t');
		put(text_of(approval, keys[i]));
	}
	putchar('\n');
}
