#include "broker/confine/confine.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "broker/confine/instrumented.h"
#include "broker/confine/privileges.h"
#include "broker/confine/root.h"

#define TABLES_MAX 8

/* What libraries open at their first use, and cannot later. */
static void
settle_libraries(void)
{
	tzset();
	/* Else the order of its tables would depend on the time alone. */
	json_object_seed(0);
}

static void
add_problem(struct crb_confined *out, const char *what)
{
	size_t len = strlen(out->problems);

	(void)snprintf(out->problems + len, sizeof(out->problems) - len, "%s%s",
	    len > 0 ? "\n" : "", what);
}

static void
enter_namespaces(
    const struct crb_confinement *confinement, struct crb_confined *out)
{
	struct crb_err err;

	/* Whoever has the privilege has been given them. */
	if (confinement->namespaces == 0 || geteuid() == 0 ||
	    crb_privileges_mount())
		return;
	if (crb_apart_enter(confinement->namespaces, &err) == CRB_OK) {
		out->namespaces = CRB_APART_USER | confinement->namespaces;
		return;
	}
	(void)crb_err_context(&err, "no namespaces of its own");
	add_problem(out, err.msg);
}

/* Without the privilege it is known by now why, and said. */
static void
enter_root(const struct crb_confinement *confinement, struct crb_confined *out)
{
	struct crb_err err;

	if (confinement->root == NULL || !crb_privileges_mount())
		return;
#ifdef CRB_COVERED
	add_problem(out, "no root of its own: built to measure coverage");
	return;
#endif
	out->root = crb_root_enter(confinement->root, &err) == CRB_OK;
	if (out->root)
		return;
	(void)crb_err_context(&err, "no root of its own");
	add_problem(out, err.msg);
}

static void
bind_files(const struct crb_confinement *confinement, struct crb_confined *out)
{
	struct crb_err err;

#if defined(CRB_COVERED) || defined(CRB_SANITIZED)
	return;
#endif
	if (confinement->files == NULL ||
	    (out->landlock = crb_landlock_version()) == 0)
		return;
	if (crb_landlock_confine(
		confinement->files, confinement->connects, &err) == CRB_OK)
		return;
	out->landlock = 0;
	add_problem(out, err.msg);
}

static enum crb_status
bind_calls(const struct crb_confinement *confinement, struct crb_err *err)
{
	const struct crb_syscall *tables[TABLES_MAX + 3] = { NULL };
	unsigned count = 0;

	while (count < TABLES_MAX && confinement->calls[count] != NULL) {
		tables[count] = confinement->calls[count];
		count++;
	}
	tables[count++] = crb_calls_instrumented;
#ifdef CRB_SANITIZED
	tables[count] = crb_calls_base;
#endif
	return crb_calls_confine(tables, err);
}

enum crb_status
crb_confine(const struct crb_confinement *confinement, struct crb_confined *out,
    struct crb_err *err)
{
	*out = (struct crb_confined){ .uid = geteuid() };
	settle_libraries();
	enter_namespaces(confinement, out);
	enter_root(confinement, out);
	if (!confinement->keeps_privileges &&
	    crb_privileges_keep(false, err) != CRB_OK)
		return err->status;
	bind_files(confinement, out);
	if (bind_calls(confinement, err) != CRB_OK)
		return err->status;
	out->seccomp = true;
	return CRB_OK;
}
