#ifndef CRB_WORLD_H
#define CRB_WORLD_H

#include <jansson.h>

#include "broker/bus/messages.h"
#include "broker/core/core.h"
#include "tests/unit/unit.h"

/*
 * A core in the test's own process, on a real vault in a folder of the test's,
 * with supervisor, gateway and egress played over real buses: folders and
 * acknowledgements are answered at once unless the test says otherwise, all
 * else that the core says is kept for the test to hear.
 */
struct heard;
struct world {
	char folder[UNIT_FOLDER_MAX];
	char state[128], runtime[128], key[128], config[128];
	struct crb_loop *loop;
	struct crb_core *core;
	int supervisor, gateway, egress; /* our ends */
	int admin;                       /* a connection to the admin socket */
	bool refuse_folders;             /* the supervisor cannot make them */
	bool hold_acks;                  /* ends are not acknowledged */
	unsigned folders, removed, ready, hooks;
	char token[64];          /* the last one that was written */
	int token_fd, config_fd; /* of the files that it wrote, or -1 */
	int kdf;                 /* the core waits for a key here */
	/* What the files of policies say; NULL: there is none. */
	const char *policy[CRB_POLICY_FILES];
	bool hold_policies; /* files of policies are not answered yet */
	uint32_t held_policy[CRB_POLICY_FILES]; /* requests for them, then */
	const char *refuse_policies; /* why they cannot be opened; or NULL */
	struct heard *first, **last;
	struct heard *current;
};

/* `config` is the JSON of a config file, or NULL. */
void world_start(struct world *world, const char *config);
/* The same with a vault that a passphrase opens, and locked. */
void world_start_locked(struct world *world, const char *passphrase);
void world_stop(struct world *world);
/* Stop the core and start another one on the same vault. */
void world_restart(struct world *world);
/* The same on another folder, to which the state is moved. */
void world_restart_on(struct world *world, const char *state);
/* Answer what was held, and hold no more. */
void world_release_policies(struct world *world);
/* The process was lost, and another is there. */
void world_lose_gateway(struct world *world);
void world_lose_egress(struct world *world);

/* Let the core do what there is to do, and play the others. */
void world_turn(struct world *world);

/* Call a method; `params` is taken.  The whole answer, which is the caller's.
 */
json_t *world_ask(struct world *world, const char *method, json_t *params);
/* The two halves of it. */
void world_send(struct world *world, const char *method, json_t *params);
json_t *world_receive(struct world *world);
/* Its result; the test fails when it is an error. */
json_t *world_call(struct world *world, const char *method, json_t *params);
/* Its error's data.code; the test fails when it succeeds. */
void world_call_fails(struct world *world, const char *method, json_t *params,
    const char *code, const char *says);
/* Send bytes on the admin connection; a line that comes back, malloc()ed. */
void world_write(struct world *world, const char *bytes, size_t len);
char *world_read_line(struct world *world);
/* Another connection to the admin socket, which has not shown anything. */
int world_connect(struct world *world);
/* One that has shown that it is on this host. */
int world_connect_proven(struct world *world);
/* Send a byte with descriptors of these files, 16 at most. */
void world_send_files(
    int sock, char byte, const char *const *path, size_t count);

/*
 * What the core said to gateway or egress: the next message of this type,
 * valid until the next call.  The test fails when none comes.
 */
const struct crb_msg *world_hear(struct world *world, enum crb_msg_type type);
/* The next one of any type, valid as long; NULL when none waits. */
const struct crb_msg *world_next(struct world *world);
/* None of this type has come, nor does one. */
bool world_hears_no(struct world *world, enum crb_msg_type type);

/* Say something as the supervisor, the gateway or the egress. */
void world_supervisor_says(
    struct world *world, enum crb_msg_type type, const void *msg);
void world_gateway_says(
    struct world *world, enum crb_msg_type type, const void *msg);
void world_egress_says(
    struct world *world, enum crb_msg_type type, const void *msg);

/* Store a static credential for hosts "git.test,localhost:8443". */
void world_add_credential(struct world *world, const char *name);
/* Issue a session with a grant; its id. */
void world_issue(
    struct world *world, const char *grant, char id[CRB_SESSION_ID_MAX + 1]);
/* Ask as the session's sandbox for git; the number of the exchange. */
uint64_t world_git(struct world *world, const char *session, const char *method,
    const char *target, const char *query);

#endif /* !CRB_WORLD_H */
