#ifndef CRB_CHILDREN_H
#define CRB_CHILDREN_H

#include "base/loop.h"
#include "broker/bus/messages.h"
#include "broker/supervisor/child.h"
#include "broker/supervisor/supervisor.h"

/*
 * The table of the processes that run as long as the broker does, each at the
 * other end of a bus.  When one is started, and why it is ended, is for the
 * supervisor to say.
 */
enum { CRB_CHILD_CORE, CRB_CHILD_GATEWAY, CRB_CHILD_EGRESS, CRB_CHILDREN };

struct crb_child {
	const struct crb_supervisor_options *options;
	const char *name; /* "gateway" */
	const char *program;
	enum crb_role role;
	struct crb_user user;
	pid_t pid;                  /* 0: not running */
	unsigned namespaces;        /* that it is to have */
	struct crb_spawned spawned; /* as it was last started */
	unsigned starts;
	int64_t since;
	int64_t delay;          /* the last one */
	struct crb_timer timer; /* set: it is to be started again */
	void *ctx;              /* the supervisor */
};

/* `start` is called with the child when its timer comes; options stay. */
void crb_children_init(struct crb_child children[CRB_CHILDREN],
    const struct crb_supervisor_options *options, crb_timer_fn *start,
    void *ctx);
/* Told here rather than by a child that never comes up. */
CRB_NODISCARD enum crb_status crb_children_check(
    const struct crb_supervisor_options *options, struct crb_err *err);

/* A bus of the child's, and the child at its other end; *bus is the caller's.
 */
CRB_NODISCARD enum crb_status crb_child_start(
    struct crb_child *child, int64_t now, int *bus, struct crb_err *err);
/* Of one that does not run, nothing. */
void crb_child_kill(const struct crb_child *child, int signal);
/* The same of all. */
void crb_children_kill(
    const struct crb_child children[CRB_CHILDREN], int signal);
bool crb_children_gone(const struct crb_child children[CRB_CHILDREN]);

#endif /* !CRB_CHILDREN_H */
