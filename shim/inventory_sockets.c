#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shim/cleanup.h"
#include "shim/inventory.h"
#include "shim/lines.h"

/*
 * Whether somebody is behind a socket who would let us in.  It is asked by
 * connecting with a type that listeners do not have: the kernel looks for the
 * socket and at its permissions before it refuses the type, and the listener
 * hears nothing, nor is it started (unix_find_other() in net/unix/af_unix.c).
 */
static bool
answers(const struct sockaddr_un *address, socklen_t len)
{
	CRB_AUTO_FD int fd = socket(
	    AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* Nothing is known: then it may be. */
	if (fd == -1)
		return true;
	if (connect(fd, (const struct sockaddr *)address, len) == 0)
		return true;
	return errno != EACCES && errno != ECONNREFUSED && errno != ENOENT &&
	    errno != ENOTDIR && errno != ELOOP;
}

static bool
path_answers(int found, const char *path, bool foreign)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	/* By its descriptor: a path may be too long, and in another's root. */
	(void)snprintf(address.sun_path, sizeof(address.sun_path),
	    "/proc/self/fd/%d", found);
	if (!foreign && access(address.sun_path, F_OK) == -1)
		(void)snprintf(
		    address.sun_path, sizeof(address.sun_path), "%s", path);
	return answers(&address, sizeof(address));
}

static void
look_at(struct crb_inventory *inventory, const struct crb_place *place,
    const char *path)
{
	CRB_AUTO_FD int found = crb_view_find(
	    &inventory->view, path, CRB_LINKS_FOLLOW);
	struct stat st;

	if (found == -1 || fstat(found, &st) == -1 || !S_ISSOCK(st.st_mode) ||
	    !path_answers(found, path, inventory->view.foreign))
		return;
	crb_findings_add(&inventory->findings, CRB_KIND_SOCKET,
	    (enum crb_severity)place->severity, path, &st, "%s",
	    crb_place_what(place));
}

/* One pattern of one place. */
struct search {
	struct crb_inventory *inventory;
	const struct crb_place *place;
};

static void
look_at_path(void *ctx, const char *path)
{
	const struct search *search = ctx;

	look_at(search->inventory, search->place, path);
}

static void
look_for(void *ctx, const struct crb_place *place, const char *pattern)
{
	struct crb_inventory *inventory = ctx;
	struct search search = { inventory, place };

	if (!crb_view_each(&inventory->view, pattern, look_at_path, &search))
		crb_inventory_note_cut(inventory);
}

/* The list of a network namespace's sockets, and what is looked for there. */
struct list_search {
	struct crb_inventory *inventory;
	const struct crb_place *place; /* NULL: all that are well known */
	const char *name;              /* with an "@" for the first byte */
};

static void
add_abstract(struct crb_inventory *inventory, const struct crb_place *place,
    const char *name)
{
	crb_findings_add(&inventory->findings, CRB_KIND_SOCKET,
	    (enum crb_severity)place->severity, name, NULL, "%s",
	    crb_place_what(place));
}

static void
compare(void *ctx, const struct crb_place *place, const char *pattern)
{
	const struct list_search *listed = ctx;

	if (crb_view_matches(pattern, strlen(pattern), listed->name + 1))
		add_abstract(listed->inventory, place, listed->name);
}

/* proc_pid_net(5): seven fields, the fourth are flags, and the name. */
static bool
look_at_line(void *ctx, char *line)
{
	static const char listening[] = "00010000";
	const struct list_search *search = ctx;
	struct list_search listed = *search;
	const char *flags = "";
	char *at = line;

	for (int field = 0; field < 7 && *at != '\0'; field++) {
		if (field == 3)
			flags = at;
		at += strcspn(at, " ");
		at += strspn(at, " ");
	}
	if (strncmp(flags, listening, sizeof(listening) - 1) != 0 || *at != '@')
		return true;
	listed.name = at;
	if (search->place == NULL)
		crb_places_each(CRB_PLACES_ABSTRACT, compare, &listed);
	else if (strcmp(search->name, at) == 0)
		add_abstract(search->inventory, search->place, at);
	return true;
}

/* Abstract sockets have no permissions: whoever sees one may connect. */
static void
look_at_list(struct list_search *search)
{
	const struct crb_view *view = &search->inventory->view;
	CRB_AUTO_FD int fd = view->foreign
	    ? openat(view->proc, "net/unix", O_RDONLY | O_CLOEXEC)
	    : open("/proc/self/net/unix", O_RDONLY | O_CLOEXEC);

	crb_lines_each(fd, look_at_line, search);
}

/* What may stand before the path of a socket in a variable's value. */
static const char *
skip_scheme(const char *value, bool *abstract)
{
	static const char schemes[][16] = { "unix:path=", "unix://",
		"unix:abstract=", "unix:@", "unix:" };

	*abstract = value[0] == '@';
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (strncmp(value, schemes[i], len) != 0)
			continue;
		*abstract = i == 2 || i == 3;
		return value + len;
	}
	return value + (*abstract ? 1 : 0);
}

/* WAYLAND_DISPLAY is a name in XDG_RUNTIME_DIR. */
static void
look_in_runtime(struct crb_inventory *inventory, const struct crb_place *place,
    const char *name)
{
	char path[CRB_VIEW_PATH_MAX];
	const char *folder = crb_view_env(&inventory->view, "XDG_RUNTIME_DIR");

	if (folder != NULL &&
	    snprintf(path, sizeof(path), "%s/%s", folder, name) <
		(int)sizeof(path))
		look_at(inventory, place, path);
}

/*
 * The value in whatever form: a path, "unix:path=P,guid=G", "P,pid,n" or
 * "P:pid:n", "tcp://HOST:PORT".
 */
static void
look_at_variable(void *ctx, const struct crb_place *place, const char *variable)
{
	struct crb_inventory *inventory = ctx;
	const char *value = crb_view_env(&inventory->view, variable);
	char name[CRB_VIEW_PATH_MAX];
	bool abstract = false;

	if (value == NULL || value[0] == '\0')
		return;
	if (strncmp(value, "tcp:", 4) == 0 || strncmp(value, "ssh:", 4) == 0) {
		crb_findings_add(&inventory->findings, CRB_KIND_SOCKET,
		    (enum crb_severity)place->severity, variable, NULL,
		    "%s (at an address)", crb_place_what(place));
		return;
	}
	value = skip_scheme(value, &abstract);
	if (snprintf(name, sizeof(name), "%s%.*s", abstract ? "@" : "",
		(int)strcspn(value, ",;"), value) >= (int)sizeof(name))
		return;
	if (abstract) {
		struct list_search search = { inventory, place, name };

		look_at_list(&search);
	} else if (name[0] == '/') {
		look_at(inventory, place, name);
		name[strcspn(name, ":")] = '\0';
		look_at(inventory, place, name);
	} else {
		look_in_runtime(inventory, place, name);
	}
}

void
crb_inventory_sockets(struct crb_inventory *inventory)
{
	struct list_search known = { inventory, NULL, NULL };

	crb_places_each(CRB_PLACES_VARIABLES, look_at_variable, inventory);
	crb_places_each(CRB_PLACES_SOCKETS, look_for, inventory);
	look_at_list(&known);
}
