#ifndef CRB_SHIM_COMMAND_H
#define CRB_SHIM_COMMAND_H

#include <stdbool.h>

/* The commands of the shim: what each takes, and the table row that says so. */

#define CRB_SHIM_SOCKET "/run/credbroker/endpoint.sock"
#define CRB_SHIM_LISTEN "127.0.0.1:9169"

/* The exit statuses of the project's command line. */
enum crb_exit {
	CRB_EXIT_DONE = 0,
	CRB_EXIT_REFUSED = 1,
	CRB_EXIT_USAGE = 2,
	CRB_EXIT_UNREACHABLE = 3,
	CRB_EXIT_UPSTREAM = 4,
	CRB_EXIT_OTHER = 5,
};

/* What a command line said.  All strings are borrowed from argv. */
struct crb_options {
	const char *socket; /* the endpoint's socket */
	const char *listen; /* ADDRESS:PORT */
	int retry_ms;       /* how long to wait for a broker that restarts */
	bool interrupts;    /* exec: INT and QUIT as they are by default */
	const char *pid;    /* inventory: of which process; NULL: its own */
	const char *only;   /* inventory: of which kind; NULL: of all */
	bool json, quiet, no_network; /* inventory */
	int listen_fd; /* exec: listens already, on a host's port; or -1 */
	char **args;   /* what follows the options; NULL-terminated */
	int arg_count;
};

struct crb_command {
	const char *name;
	const char *usage; /* what follows the name, for --help */
	const char *what;  /* one line, for --help */
	int retry_ms;      /* unless --retry says otherwise */
	int arg_min;
	int arg_max;
	bool listens; /* takes --listen */
	bool program; /* is also the name of a program */
	int (*run)(const struct crb_options *options);
};

int crb_forward_run(const struct crb_options *options);
int crb_exec_run(const struct crb_options *options);
int crb_get_run(const struct crb_options *options);
int crb_status_run(const struct crb_options *options);
int crb_inventory_run(const struct crb_options *options);
int crb_git_credential_run(const struct crb_options *options);
int crb_aws_run(const struct crb_options *options);

/*
 * Fill *options from argv[1] on, which `command` allows.  Gives
 * CRB_EXIT_DONE, or CRB_EXIT_USAGE after saying what is wrong.
 */
int crb_options_parse(struct crb_options *options,
    const struct crb_command *command, int argc, char **argv);

#endif /* !CRB_SHIM_COMMAND_H */
