#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/inventory.h"
#include "shim/inventory_settings.h"

/* A variable's name that is shown; the kernel sets no limit. */
#define NAME_MAX_SHOWN 128

/* As a whole it may be a secret, and its beginning look like none. */
static void
show_name(struct crb_span name, char out[NAME_MAX_SHOWN])
{
	if (crb_format_find(name.p, name.len) != NULL)
		(void)snprintf(out, NAME_MAX_SHOWN, "%s", CRB_NAME_WITHHELD);
	else
		(void)snprintf(
		    out, NAME_MAX_SHOWN, "%.*s", (int)name.len, name.p);
}

/*
 * Split "NAME=VALUE".  What has no "=" is no variable: a program may have
 * written its title there, or a piece of a value.
 */
static bool
split(const char *entry, struct crb_span *name, struct crb_span *value)
{
	const char *equals = strchr(entry, '=');

	if (equals == NULL || equals == entry)
		return false;
	*name = (struct crb_span){ entry, (size_t)(equals - entry) };
	*value = (struct crb_span){ equals + 1, strlen(equals + 1) };
	return true;
}

static void
add_secret(struct crb_inventory *inventory, struct crb_span name,
    enum crb_severity severity, const char *reason)
{
	char shown[NAME_MAX_SHOWN];

	show_name(name, shown);
	crb_findings_add(&inventory->findings, CRB_KIND_ENVIRONMENT, severity,
	    shown, NULL, "%s", reason);
}

/* A variable that names a file by its place; false when it is none. */
static bool
add_place(struct crb_inventory *inventory, const char *path)
{
	static const struct crb_place place = {
		CRB_PLACE(
		    "a secret, as the variable that names it says", "", ""),
		CRB_KIND_FILE, CRB_SEVERITY_MEDIUM, CRB_CHECK_ANY
	};
	int found = crb_view_find(&inventory->view, path, CRB_LINKS_FOLLOW);

	if (found == -1)
		return false;
	(void)close(found);
	crb_inventory_file(inventory, &place, path, CRB_LINKS_FOLLOW);
	return true;
}

static void
look_at(struct crb_inventory *inventory, const char *entry)
{
	enum crb_severity severity = CRB_SEVERITY_LOW;
	const char *reason = "";
	struct crb_span name, value;

	if (!split(entry, &name, &value))
		return;
	switch (crb_setting_judge(name, value, &severity, &reason)) {
	case CRB_SETTING_PLAIN:
		break;
	case CRB_SETTING_PATH:
		(void)add_place(inventory, value.p);
		break;
	case CRB_SETTING_EITHER:
		if (!add_place(inventory, value.p))
			add_secret(inventory, name, severity, reason);
		break;
	case CRB_SETTING_SECRET:
		add_secret(inventory, name, severity, reason);
		break;
	}
}

void
crb_inventory_environment(struct crb_inventory *inventory)
{
	if (inventory->view.env_cut)
		crb_findings_note(&inventory->findings,
		    "the environment is too large: not all of it was looked "
		    "at");
	for (char **at = inventory->view.env; *at != NULL; at++)
		look_at(inventory, *at);
}

/* Whether the process that is looked at has this very variable itself. */
static bool
is_known(const struct crb_view *view, const char *entry)
{
	for (char **at = view->env; *at != NULL; at++) {
		if (strcmp(*at, entry) == 0)
			return true;
	}
	return false;
}

/* Counts the secrets among a process's variables; *worst is one of them. */
static unsigned
count_secrets(const struct crb_view *view, const char *bytes, size_t len,
    enum crb_severity *severity, struct crb_span *worst)
{
	unsigned count = 0;

	for (size_t at = 0; at < len; at += strlen(bytes + at) + 1) {
		enum crb_severity one = CRB_SEVERITY_LOW;
		const char *reason;
		struct crb_span name, value;
		enum crb_setting setting;

		if (!split(bytes + at, &name, &value))
			continue;
		setting = crb_setting_judge(name, value, &one, &reason);
		if ((setting != CRB_SETTING_SECRET &&
			setting != CRB_SETTING_EITHER) ||
		    is_known(view, bytes + at))
			continue;
		if (count++ == 0 || one > *severity) {
			*severity = one;
			*worst = name;
		}
	}
	return count;
}

/* "pid 12 (bash)": whoever named the program is hostile, too. */
static void
name_process(
    const struct crb_view *view, const char *path, char *out, size_t size)
{
	CRB_AUTO_TEXT struct crb_text comm;
	char of[64];
	const char *pid = path + strlen("/proc/");
	int len = (int)strcspn(pid, "/");

	comm.len = 0;
	(void)snprintf(of, sizeof(of), "/proc/%.*s/comm", len, pid);
	if (!crb_view_read_proc(view, of, &comm) || comm.len == 0)
		(void)snprintf(out, size, "pid %.*s", len, pid);
	else
		(void)snprintf(out, size, "pid %.*s (%.*s)", len, pid,
		    (int)(comm.len - 1), comm.bytes);
}

static void
look_at_process(void *ctx, const char *path)
{
	struct crb_inventory *inventory = ctx;
	CRB_AUTO_TEXT struct crb_text text;
	enum crb_severity severity = CRB_SEVERITY_LOW;
	struct crb_span worst = { "", 0 };
	char name[96], variable[NAME_MAX_SHOWN];
	unsigned count;

	text.len = 0;
	if (path[strlen("/proc/")] < '0' || path[strlen("/proc/")] > '9' ||
	    !crb_view_read_proc(&inventory->view, path, &text) || text.len == 0)
		return;
	if (text.cut)
		crb_findings_note(&inventory->findings,
		    "another process's environment was read in part");
	text.bytes[text.len - 1] = '\0';
	count = count_secrets(
	    &inventory->view, text.bytes, text.len, &severity, &worst);
	if (count == 0)
		return;
	show_name(worst, variable);
	name_process(&inventory->view, path, name, sizeof(name));
	crb_findings_add(&inventory->findings, CRB_KIND_PROCESS, severity, name,
	    NULL, "%u secret%s in its environment, such as %s", count,
	    count == 1 ? "" : "s", variable);
}

/* Variables that are not our own: other people's, or taken from us. */
void
crb_inventory_processes(struct crb_inventory *inventory)
{
	if (!crb_view_each(&inventory->view, "/proc/*/environ", look_at_process,
		inventory))
		crb_inventory_note_cut(inventory);
}
