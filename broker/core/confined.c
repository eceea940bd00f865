#include "broker/core/confined.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "broker/core/core.h"

void
crb_confined_started(struct crb_core *core, const struct crb_msg_peer *peer)
{
	struct crb_core_confinement *all = &core->confinement;
	struct crb_process_confinement *process = peer->role == CRB_ROLE_GATEWAY
	    ? &all->gateway
	    : &all->egress;

	*process = (struct crb_process_confinement){
		.namespaces = peer->namespaces
	};
	(void)snprintf(process->problem, sizeof(process->problem), "%.*s",
	    (int)peer->problem.len, peer->problem.p);
}

void
crb_confined_said(struct crb_process_confinement *process,
    const struct crb_msg_gateway_confined *said)
{
	struct crb_confined *confined = &process->confined;

	process->told = true;
	*confined = (struct crb_confined){ .uid = said->uid,
		.seccomp = said->seccomp != 0,
		.root = said->root != 0,
		.namespaces = said->namespaces,
		.landlock = said->landlock };
	(void)snprintf(confined->problems, sizeof(confined->problems), "%.*s",
	    (int)said->problems.len, said->problems.p);
}

static json_t *
namespaces_shown(unsigned namespaces, bool root)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { CRB_APART_USER, "user" }, { CRB_APART_PID, "pid" },
		{ CRB_APART_IPC, "ipc" }, { CRB_APART_UTS, "uts" },
		{ CRB_APART_NET, "net" } };
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((namespaces & names[i].bit) != 0)
			(void)json_array_append_new(
			    list, json_string(names[i].name));
	if (root)
		(void)json_array_append_new(list, json_string("mount"));
	return list;
}

static void
add_lines(json_t *list, const char *lines)
{
	struct crb_slice rest = CRB_SLICE(lines), line;

	while (rest.len > 0) {
		if (!crb_slice_cut(&rest, '\n', &line)) {
			line = rest;
			rest.len = 0;
		}
		(void)json_array_append_new(
		    list, json_stringn(line.p, line.len));
	}
}

/* Root with a user of its own is not root any more. */
static void
add_user_problem(json_t *list, const char *name, uid_t uid)
{
	char text[192];

	if (uid != 0 || strcmp(name, "supervisor") == 0)
		return;
	(void)snprintf(text, sizeof(text),
	    "it runs as root, without capabilities; make a user for it, and "
	    "name it in the configuration: %s_user",
	    strcmp(name, "kdf") == 0 ? "core" : name);
	(void)json_array_append_new(list, json_string(text));
}

static void
show(json_t *all, const char *name, const struct crb_confined *confined,
    unsigned namespaces, const char *problem)
{
	json_t *problems = json_array();

	add_lines(problems, problem);
	add_lines(problems, confined->problems);
	add_user_problem(problems, name, confined->uid);
	(void)json_object_set_new(all, name,
	    json_pack("{s:I, s:b, s:i, s:o, s:b, s:o}", "user",
		(json_int_t)confined->uid, "seccomp", confined->seccomp,
		"landlock", confined->landlock, "namespaces",
		namespaces_shown(namespaces, confined->root), "root",
		confined->root, "problems", problems));
}

static void
show_process(json_t *all, const char *name,
    const struct crb_process_confinement *process)
{
	show(all, name, &process->confined,
	    process->namespaces | process->confined.namespaces,
	    process->told ? process->problem : "not known yet: it is starting");
}

json_t *
crb_confined_shown(const struct crb_core *core)
{
	const struct crb_core_confinement *confinement = &core->confinement;
	/* Its filter is on, or it had not started us. */
	const struct crb_confined supervisor = { .uid = core->owner,
		.seccomp = confinement->self.seccomp };
	/* One is started for a passphrase as the gateway is, by our user. */
	struct crb_process_confinement kdf = confinement->gateway;
	json_t *all = json_object();

	kdf.confined.uid = confinement->self.uid;
	show(all, "supervisor", &supervisor, 0, "");
	show(all, "core", &confinement->self, 0, "");
	show_process(all, "gateway", &confinement->gateway);
	show_process(all, "egress", &confinement->egress);
	show_process(all, "kdf", &kdf);
	return all;
}
