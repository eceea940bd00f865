#include "broker/cli/policy_session.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_grant.h"

#define LINES_MOST 10000 /* of one event of a session */

void
crb_policy_session_clear(struct crb_policy_session *session)
{
	for (size_t i = 0; i < CRB_POLICY_GRANTS_MAX; i++)
		crb_scope_clear(&session->scope[i]);
	json_decref(session->shown);
	*session = (struct crb_policy_session){ 0 };
}

static enum crb_status
add_grant(struct crb_policy_session *session, const json_t *grant,
    const json_t *credentials, struct crb_err *err)
{
	const char *name = crb_member(grant, "credential");
	const char *scope = crb_member(grant, "scope");
	const struct crb_backend_ops *backend;
	const json_t *shown;
	size_t at = session->tier.count;

	/* Of a credential that is no more nothing can be asked. */
	if (name == NULL || at == CRB_POLICY_GRANTS_MAX ||
	    (backend = crb_policy_backend(credentials, name, &shown)) == NULL)
		return CRB_OK;
	if (crb_scope_parse(scope != NULL ? scope : "", backend->attributes,
		&session->scope[at], err) != CRB_OK)
		return crb_err_context(err, "the session's grant of %s", name);
	(void)snprintf(session->id[at], sizeof(session->id[at]), "grant %lld",
	    crb_member_number(grant, "number"));
	session->rule[at] = (struct crb_rule){ .id = session->id[at],
		.effect = CRB_EFFECT_ALLOW,
		.credential = name,
		.scope = &session->scope[at] };
	session->tier.count++;
	return CRB_OK;
}

static enum crb_status
add_grants(struct crb_policy_session *out, json_t *shown,
    const json_t *credentials, struct crb_err *err)
{
	const json_t *grant;
	size_t i;

	out->shown = json_incref(shown);
	out->tier = (struct crb_tier){ .name = "session", .rule = out->rule };
	json_array_foreach(json_object_get(shown, "grants"), i, grant)
	{
		if (add_grant(out, grant, credentials, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

enum crb_status
crb_policy_session_read(struct crb_cli *cli, const char *id,
    const json_t *credentials, struct crb_policy_session *out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;

	if (crb_cli_call(cli, "session.show", json_pack("{s:s}", "session", id),
		&result, err) != CRB_OK)
		return err->status;
	return add_grants(
	    out, json_object_get(result, "session"), credentials, err);
}

/* Lines of one event of a session, in their order, those that were refused
 * left out. */
static enum crb_status
read_lines(struct crb_cli *cli, const char *id, const char *event, json_t **out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;
	const char *decision;
	json_t *line;
	size_t i;

	*out = json_array();
	if (crb_cli_call(cli, "audit.show",
		json_pack("{s:s, s:s, s:i}", "session", id, "event", event,
		    "most", LINES_MOST),
		&result, err) != CRB_OK)
		return err->status;
	json_array_foreach(json_object_get(result, "events"), i, line)
	{
		decision = crb_member(line, "decision");
		if (decision == NULL || strcmp(decision, "deny") != 0)
			(void)json_array_append(*out, line);
	}
	return CRB_OK;
}

bool
crb_policy_asks_always(const json_t *issue)
{
	const char *detail = crb_member(issue, "detail");

	return detail != NULL && strstr(detail, ", asking always") != NULL;
}

/* What the log has of a session. */
struct history {
	json_t *issue, *granted, *dropped; /* arrays of lines */
};

static void
history_clear(struct history *history)
{
	json_decref(history->issue);
	json_decref(history->granted);
	json_decref(history->dropped);
}
#define AUTO_HISTORY __attribute__((cleanup(history_clear)))

static bool
any_since(const json_t *lines, json_int_t number)
{
	size_t count = json_array_size(lines);

	return count > 0 &&
	    crb_member_number(json_array_get(lines, count - 1), "n") > number;
}

/* "NAME:SCOPE", of which the log keeps so much; true: all of it. */
static bool
append(json_t *grants, const char *name, size_t name_len, const char *scope,
    size_t len, long long number)
{
	bool whole = len < 3 || memcmp(scope + len - 3, "...", 3) != 0;

	if (whole)
		(void)json_array_append_new(grants,
		    json_pack("{s:s%, s:s%, s:I}", "credential", name, name_len,
			"scope", scope, len, "number", (json_int_t)number));
	return whole;
}

/* "github:repository=a/b; aws:..." */
static bool
issued(const json_t *issue, json_t *grants)
{
	const char *at = crb_member(issue, "scope");
	bool whole = at != NULL;

	for (long long number = 1; at != NULL && *at != '\0'; number++) {
		const char *end = strstr(at, "; ");
		size_t len = end != NULL ? (size_t)(end - at) : strlen(at);
		size_t name = strcspn(at, ":;");
		size_t skip = name < len ? name + 1 : len;

		if (name > len)
			name = len;
		whole = append(
			    grants, at, name, at + skip, len - skip, number) &&
		    whole;
		at = end != NULL ? end + 2 : NULL;
	}
	return whole;
}

static bool
granted(const json_t *line, json_t *grants, long long number)
{
	const char *name = crb_member(line, "credential");
	const char *scope = crb_member(line, "scope");

	if (name == NULL || scope == NULL)
		return false;
	return append(grants, name, strlen(name), scope, strlen(scope), number);
}

/* By its number, or all of a credential. */
static void
dropped(const json_t *line, json_t *grants)
{
	const char *meant = crb_member(line, "detail");
	size_t i = 0;

	while (meant != NULL && i < json_array_size(grants)) {
		const json_t *grant = json_array_get(grants, i);
		char number[24];

		(void)snprintf(number, sizeof(number), "%lld",
		    crb_member_number(grant, "number"));
		if (strcmp(number, meant) == 0 ||
		    strcmp(crb_member(grant, "credential"), meant) == 0)
			(void)json_array_remove(grants, i);
		else
			i++;
	}
}

static long long
number_at(const json_t *lines, size_t i)
{
	return i < json_array_size(lines)
	    ? crb_member_number(json_array_get(lines, i), "n")
	    : LLONG_MAX;
}

/* False: the log does not have all of it. */
static bool
replay(const struct history *history, json_int_t until, json_t *grants)
{
	long long last;
	size_t add = 0, drop = 0;
	bool whole = issued(json_array_get(history->issue, 0), grants);

	last = (long long)json_array_size(grants);
	for (;;) {
		long long next_add = number_at(history->granted, add);
		long long next_drop = number_at(history->dropped, drop);

		if (next_add > until && next_drop > until)
			return whole;
		if (next_add < next_drop)
			whole = granted(json_array_get(history->granted, add++),
				    grants, ++last) &&
			    whole;
		else
			dropped(
			    json_array_get(history->dropped, drop++), grants);
	}
}

static enum crb_status
read_history(struct crb_cli *cli, const char *id, struct history *out,
    struct crb_err *err)
{
	if (read_lines(cli, id, "session.issue", &out->issue, err) != CRB_OK ||
	    read_lines(cli, id, "session.grant", &out->granted, err) !=
		CRB_OK ||
	    read_lines(cli, id, "session.drop", &out->dropped, err) != CRB_OK)
		return err->status;
	return CRB_OK;
}

static void
note(json_t *notes, const char *text)
{
	(void)json_array_append_new(notes, json_string(text));
}

enum crb_status
crb_policy_session_at(struct crb_cli *cli, const char *id, json_int_t number,
    const json_t *credentials, json_t *notes, struct crb_policy_session *out,
    struct crb_err *err)
{
	AUTO_HISTORY struct history history = { .issue = NULL };
	CRB_AUTO_JSON json_t *shown = NULL;
	json_t *grants = json_array();
	const json_t *issue;
	struct crb_err ignored;

	shown = json_pack("{s:o}", "grants", grants);
	if (read_history(cli, id, &history, err) != CRB_OK)
		return err->status;
	issue = json_array_get(history.issue, 0);
	if (!any_since(history.granted, number) &&
	    !any_since(history.dropped, number) &&
	    crb_policy_session_read(cli, id, credentials, out, &ignored) ==
		CRB_OK)
		return CRB_OK;
	crb_policy_session_clear(out);
	if (issue == NULL) {
		note(notes,
		    "the session is not known any more: its grants are not "
		    "asked");
		return CRB_OK;
	}
	if (!replay(&history, number, grants)) {
		note(notes,
		    "the audit log does not have all of the session's grants "
		    "of then: they are not asked");
		return CRB_OK;
	}
	(void)json_object_set_new(
	    shown, "ask_always", json_boolean(crb_policy_asks_always(issue)));
	return add_grants(out, shown, credentials, err);
}
