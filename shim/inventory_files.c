#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "shim/inventory.h"
#include "shim/inventory_git.h"
#include "shim/inventory_settings.h"

/* How far and how many of git's includes are followed. */
#define INCLUDE_DEPTH 3
#define INCLUDES_MAX 16

/* A file that was read, and what to make of it. */
struct judged {
	struct crb_inventory *inventory;
	const struct crb_place *place;
	const char *path;
	const struct crb_text *text;
};

static void
add(const struct judged *j, enum crb_severity severity, const char *more)
{
	crb_findings_add(&j->inventory->findings, (enum crb_kind)j->place->kind,
	    severity, j->path, &j->text->st, "%s%s", crb_place_what(j->place),
	    more);
}

static void
judge_any(const struct judged *j)
{
	if (j->text->len > 0 &&
	    !crb_format_own_token(j->text->bytes, j->text->len))
		add(j, (enum crb_severity)j->place->severity, "");
}

/* What is longer than what was read may have it further on. */
static void
judge_text(const struct judged *j)
{
	if (crb_format_has(
		j->text->bytes, j->text->len, crb_place_texts(j->place)))
		add(j, (enum crb_severity)j->place->severity, "");
	else if (j->text->cut)
		add(j, (enum crb_severity)j->place->severity,
		    ", perhaps: it was read in part");
}

static void
judge_format(const struct judged *j)
{
	if (crb_format_find(j->text->bytes, j->text->len) != NULL)
		add(j, (enum crb_severity)j->place->severity, "");
	else if (j->text->cut)
		add(j, CRB_SEVERITY_LOW, ", perhaps: it was read in part");
}

static void
judge_key(const struct judged *j)
{
	switch (crb_format_key(j->text->bytes, j->text->len)) {
	case CRB_FORMAT_KEY_PLAIN:
		add(j, (enum crb_severity)j->place->severity,
		    ", not encrypted");
		break;
	case CRB_FORMAT_KEY_ENCRYPTED:
		add(j, CRB_SEVERITY_MEDIUM, ", encrypted");
		break;
	case CRB_FORMAT_KEY_NONE:
		break;
	}
}

static void
judge_history(const struct judged *j)
{
	const char *found = crb_format_find(j->text->bytes, j->text->len);

	if (found != NULL)
		crb_findings_add(&j->inventory->findings, CRB_KIND_HISTORY,
		    CRB_SEVERITY_HIGH, j->path, &j->text->st,
		    "%s, with %s in it", crb_place_what(j->place), found);
	else if (j->text->len > 0)
		add(j, (enum crb_severity)j->place->severity, "");
}

static void
judge_settings(const struct judged *j)
{
	enum crb_severity severity;
	const char *reason = "";
	size_t count = crb_settings_count(
	    (struct crb_span){ j->text->bytes, j->text->len }, &severity,
	    &reason);

	if (count > 0)
		crb_findings_add(&j->inventory->findings, CRB_KIND_DOTENV,
		    severity, j->path, &j->text->st,
		    "settings: %zu secret%s, such as: %s", count,
		    count == 1 ? "" : "s", reason);
	else if (j->text->cut)
		crb_findings_add(&j->inventory->findings, CRB_KIND_DOTENV,
		    CRB_SEVERITY_LOW, j->path, &j->text->st,
		    "settings, read in part");
}

static void
judge_shadow(const struct judged *j)
{
	if (crb_format_shadow(j->text->bytes, j->text->len))
		add(j, (enum crb_severity)j->place->severity, "");
}

/* In the order of enum crb_check.  git's has a file of its own to read. */
static void (*const judges[])(const struct judged *j) = {
	[CRB_CHECK_ANY] = judge_any,
	[CRB_CHECK_TEXT] = judge_text,
	[CRB_CHECK_FORMAT] = judge_format,
	[CRB_CHECK_KEY] = judge_key,
	[CRB_CHECK_HISTORY] = judge_history,
	[CRB_CHECK_SETTINGS] = judge_settings,
	[CRB_CHECK_GIT] = NULL,
	[CRB_CHECK_SHADOW] = judge_shadow,
};

void
crb_inventory_file(struct crb_inventory *inventory,
    const struct crb_place *place, const char *path, enum crb_links links)
{
	CRB_AUTO_TEXT struct crb_text text;
	const struct judged judged = {
		.inventory = inventory,
		.place = place,
		.path = path,
		.text = &text,
	};

	text.len = 0;
	/* The broker's own, with keys that are none. */
	if (strcmp(path, "/run/credbroker/aws-config") == 0 ||
	    !crb_findings_wants(
		&inventory->findings, (enum crb_kind)place->kind))
		return;
	if (place->check == CRB_CHECK_GIT)
		crb_inventory_git(inventory, path, links);
	else if (crb_view_read(&inventory->view, path, links, &text))
		judges[place->check](&judged);
}

/* One configuration file, and how many more may be included. */
struct git_reading {
	struct crb_inventory *inventory;
	char folder[CRB_VIEW_PATH_MAX];
	unsigned depth;
	unsigned *left;
};

static void git_read(struct crb_inventory *inventory, const char *path,
    enum crb_links links, unsigned depth, unsigned *left);

/* git-config(1): relative to the file that includes, or "~/". */
static void
git_include(void *ctx, struct crb_span path)
{
	const struct git_reading *reading = ctx;
	const struct crb_view *view = &reading->inventory->view;
	const char *folder = reading->folder;
	char full[CRB_VIEW_PATH_MAX];
	int n;

	if (path.len == 0 || memchr(path.p, '\0', path.len) != NULL)
		return;
	if (path.len > 1 && path.p[0] == '~' && path.p[1] == '/') {
		if (view->home_count == 0)
			return;
		folder = view->homes[0];
		path = (struct crb_span){ path.p + 2, path.len - 2 };
	}
	n = snprintf(full, sizeof(full), "%s%s%.*s",
	    path.p[0] == '/' ? "" : folder, path.p[0] == '/' ? "" : "/",
	    (int)path.len, path.p);
	if (n < (int)sizeof(full))
		git_read(reading->inventory, full, CRB_LINKS_FOLLOW,
		    reading->depth + 1, reading->left);
}

static void
git_read(struct crb_inventory *inventory, const char *path,
    enum crb_links links, unsigned depth, unsigned *left)
{
	CRB_AUTO_TEXT struct crb_text text;
	struct git_reading reading = {
		.inventory = inventory,
		.depth = depth,
		.left = left,
	};
	char name[CRB_VIEW_PATH_MAX + 16];
	const char *found, *slash = strrchr(path, '/');
	unsigned line = 0;

	text.len = 0;
	if (*left == 0 || depth > INCLUDE_DEPTH ||
	    !crb_view_read(&inventory->view, path, links, &text))
		return;
	--*left;
	(void)snprintf(reading.folder, sizeof(reading.folder), "%.*s",
	    slash != NULL ? (int)(slash - path) : 0, path);
	found = crb_git_config_find((struct crb_span){ text.bytes, text.len },
	    &line, git_include, &reading);
	if (found == NULL)
		return;
	(void)snprintf(name, sizeof(name), "%s:%u", path, line);
	crb_findings_add(&inventory->findings, CRB_KIND_GIT, CRB_SEVERITY_HIGH,
	    name, &text.st, "git's configuration: %s", found);
}

void
crb_inventory_git(
    struct crb_inventory *inventory, const char *path, enum crb_links links)
{
	unsigned left = INCLUDES_MAX;

	if (crb_findings_wants(&inventory->findings, CRB_KIND_GIT))
		git_read(inventory, path, links, 0, &left);
}

void
crb_inventory_note_cut(struct crb_inventory *inventory)
{
	crb_findings_note(&inventory->findings,
	    "a folder has too much in it: not all of it was looked at");
}

/* One pattern of one place. */
struct search {
	struct crb_inventory *inventory;
	const struct crb_place *place;
};

static void
look_at(void *ctx, const char *path)
{
	const struct search *search = ctx;

	crb_inventory_file(
	    search->inventory, search->place, path, CRB_LINKS_FOLLOW);
}

static void
look_for(void *ctx, const struct crb_place *place, const char *pattern)
{
	struct crb_inventory *inventory = ctx;
	struct search search = { inventory, place };

	if (!crb_view_each(&inventory->view, pattern, look_at, &search))
		crb_inventory_note_cut(inventory);
}

void
crb_inventory_files(struct crb_inventory *inventory)
{
	crb_places_each(CRB_PLACES_FILES, look_for, inventory);
}
