#include "broker/cli/run_report.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/cli/leases.h"
#include "broker/cli/output.h"
#include "broker/cli/session_request.h"

/* Names on a line; the rest is counted. */
#define NAMES_MAX 6

static const char host_gives[] =
    "given up with --network host: what listens on this host's loopback, the "
    "local\nnetwork, the internet and cloud metadata are in reach, and what "
    "the agent can read\nit can send anywhere. Still so: the session's grants "
    "only, and its port answers\nthis sandbox's processes only.\n";

static const char bare_gives[] =
    "NO SANDBOX: the command runs as you. It reads your files and credentials, "
    "sees\nyour processes, reaches every network, and changes what runs here "
    "later; as the\nbroker's user it administers the broker. Still so: none of "
    "your environment but\nthe allow-list, and of the endpoint the session's "
    "grants only.\n";

static json_t *
list(const struct crb_args *args)
{
	json_t *array = json_array();

	for (size_t i = 0; i < args->count; i++)
		(void)json_array_append_new(array, json_string(args->at[i]));
	return array;
}

static const char *
network_of(const struct crb_sandbox *sandbox)
{
	return sandbox->request->host_network || sandbox->request->bare
	    ? "host"
	    : "none";
}

static json_t *
mounts_of(const struct crb_sandbox *sandbox)
{
	json_t *array = json_array();

	for (size_t i = 0; i < sandbox->mounts.count; i++) {
		const struct crb_mount *at = &sandbox->mounts.at[i];

		if (at->kind == CRB_MOUNT_READ || at->kind == CRB_MOUNT_WRITE)
			(void)json_array_append_new(array,
			    json_pack("{s:s, s:s, s:b}", "source", at->source,
				"target", at->target, "read_only",
				at->kind == CRB_MOUNT_READ));
	}
	return array;
}

static void
print_json(const json_t *json)
{
	(void)json_dumpf(json, stderr, JSON_COMPACT);
	fputc('\n', stderr);
}

static void
begin_json(const struct crb_sandbox *sandbox, const json_t *issued)
{
	CRB_AUTO_JSON json_t *json = json_pack(
	    "{s:s, s:O, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:O*}", "event",
	    "begin", "session", json_object_get(issued, "session"), "command",
	    sandbox->program.path, "workspace", sandbox->workspace, "network",
	    network_of(sandbox), "sandbox", !sandbox->request->bare, "mounts",
	    mounts_of(sandbox), "read_only", list(&sandbox->protected.shown),
	    "notices", list(&sandbox->protected.notices), "notes",
	    json_object_get(issued, "notes"));

	if (json != NULL && sandbox->port != 0)
		(void)json_object_set_new(
		    json, "port", json_integer(sandbox->port));
	print_json(json);
}

static void
print_names(const struct crb_args *names)
{
	for (size_t i = 0; i < names->count && i < NAMES_MAX; i++) {
		fputs(i == 0 ? "" : " ", stderr);
		crb_output_text(stderr, names->at[i]);
	}
	if (names->count > NAMES_MAX)
		fprintf(stderr, " and %zu more", names->count - NAMES_MAX);
}

/* Mounts that somebody asked for, and not those of the workspace. */
static void
print_mounts(const struct crb_sandbox *sandbox)
{
	for (size_t i = 0; i < sandbox->mounts.count; i++) {
		const struct crb_mount *at = &sandbox->mounts.at[i];

		if (!at->asked)
			continue;
		fputs("mounted ", stderr);
		crb_output_text(stderr, at->source);
		if (strcmp(at->source, at->target) != 0) {
			fputs(" at ", stderr);
			crb_output_text(stderr, at->target);
		}
		fputs(at->kind == CRB_MOUNT_READ ? ", read-only\n"
						 : ", writable\n",
		    stderr);
	}
}

static void
print_workspace(const struct crb_sandbox *sandbox)
{
	fputs("workspace ", stderr);
	crb_output_text(stderr, sandbox->workspace);
	if (sandbox->linked)
		fputs(" (named by a link)", stderr);
	if (sandbox->protected.shown.count > 0) {
		fputs(" · read-only in it: ", stderr);
		print_names(&sandbox->protected.shown);
	}
	fputc('\n', stderr);
}

void
crb_run_begin(
    const struct crb_sandbox *sandbox, const json_t *issued, bool json)
{
	const json_t *session = json_object_get(issued, "session");
	size_t grants = json_array_size(json_object_get(session, "grants"));
	const struct crb_sandbox_request *request = sandbox->request;
	char left[CRB_DURATION_TEXT];

	if (json) {
		begin_json(sandbox, issued);
		return;
	}
	crb_output_left(crb_member(session, "expires"), left);
	fprintf(stderr,
	    "session %s · task %s · %zu grant%s · ends with the command or in "
	    "%s · network: %s\n",
	    crb_member(session, "id"), crb_member(session, "task"), grants,
	    grants == 1 ? "" : "s", left,
	    request->bare || request->host_network ? "the host's"
						   : "none but the broker");
	if (request->bare)
		fputs(bare_gives, stderr);
	else
		print_workspace(sandbox);
	print_mounts(sandbox);
	if (request->host_network && !request->bare)
		fputs(host_gives, stderr);
	if (request->host_network && !request->bare && !sandbox->scoped)
		fputs("note: this kernel has no Landlock scopes, so abstract "
		      "sockets of the host (X11, D-Bus) are in reach, too\n",
		    stderr);
	for (size_t i = 0; i < sandbox->protected.notices.count; i++) {
		fputs("note: ", stderr);
		crb_output_text(stderr, sandbox->protected.notices.at[i]);
		fputc('\n', stderr);
	}
	crb_session_notes(issued);
}

static void
end_json(const struct crb_run_end *end)
{
	CRB_AUTO_JSON json_t *json = json_pack("{s:s, s:O, s:s, s:i, s:o}",
	    "event", "end", "session", end->session, "how", end->how, "exit",
	    end->exit, "appeared", list(end->appeared));

	if (json != NULL && end->denied != NULL)
		(void)json_object_set(
		    json, "last_refused", (json_t *)(uintptr_t)end->denied);
	print_json(json);
}

/* " (GET /git/..., scope: not granted)" */
static void
print_denied(const json_t *denied)
{
	const char *request = crb_member(denied, "request");
	const char *why = crb_member(denied, "detail");

	if (request == NULL && why == NULL)
		return;
	fputs(" (", stderr);
	if (request != NULL)
		crb_output_text(stderr, request);
	if (why != NULL) {
		fputs(request != NULL ? ": " : "", stderr);
		crb_output_text(stderr, why);
	}
	fputc(')', stderr);
}

void
crb_run_end(const struct crb_run_end *end, bool json, bool quiet)
{
	const char *id = crb_member(end->session, "id");
	long long requests = crb_member_number(end->session, "requests");

	if (json) {
		end_json(end);
		return;
	}
	if (quiet)
		return;
	fprintf(stderr, "session %s %s · %lld request%s, %lld refused", id,
	    end->how, requests, requests == 1 ? "" : "s",
	    crb_member_number(end->session, "refused"));
	print_denied(end->denied);
	fprintf(stderr, " · credbroker audit show --session %s\n", id);
	if (crb_leases_remain(stderr, json_object_get(end->session, "leases")))
		fprintf(stderr,
		    " (credbroker revoke --print-deny %s: a policy that ends "
		    "them)\n",
		    id);
	if (end->appeared->count > 0) {
		fputs("look at it before you use it here: ", stderr);
		print_names(end->appeared);
		fputs(" appeared meanwhile, and runs code on this host or "
		      "steers agents\n",
		    stderr);
	}
}
