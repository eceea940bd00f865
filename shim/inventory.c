#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim/command.h"
#include "shim/inventory.h"
#include "shim/lines.h"
#include "shim/say.h"

/*
 * A file system may be somebody's program that never answers (FUSE, NFS); only
 * a signal that cannot be caught gets a process out of that.
 */
#define PATIENCE_SECONDS 120

#define KIND(name) (1U << CRB_KIND_##name)

static const struct step {
	void (*run)(struct crb_inventory *inventory);
	unsigned kinds; /* that it may find */
} steps[] = {
	{ crb_inventory_environment, KIND(ENVIRONMENT) | KIND(FILE) },
	{ crb_inventory_files,
	    KIND(FILE) | KIND(HISTORY) | KIND(DOTENV) | KIND(GIT) |
		KIND(MOUNTED) | KIND(SYSTEM) },
	{ crb_inventory_tree, KIND(DOTENV) | KIND(GIT) | KIND(FILE) },
	{ crb_inventory_sockets, KIND(SOCKET) },
	{ crb_inventory_keyrings, KIND(KEYRING) },
	{ crb_inventory_network, KIND(METADATA) },
	{ crb_inventory_processes, KIND(PROCESS) },
};

static bool
parse_pid(const char *text, pid_t *pid)
{
	const char *end;
	unsigned long number = crb_lines_number(text, 10, &end);

	if (text[0] < '1' || *end != '\0' || strlen(text) > 9)
		return false;
	*pid = (pid_t)number;
	return true;
}

static void
print_summary(
    const struct crb_options *options, const struct crb_findings *findings)
{
	size_t counts[CRB_SEVERITY_HIGH + 1] = { 0 };

	for (size_t i = 0; i < findings->count; i++)
		counts[findings->at[i].severity]++;
	for (size_t i = 0; i < findings->note_count; i++)
		(void)crb_say_fail(
		    CRB_EXIT_DONE, "inventory: %s", findings->notes[i]);
	if (options->json)
		return;
	if (findings->left_out > 0)
		(void)crb_say_fail(CRB_EXIT_DONE,
		    "inventory: %zu more are not shown", findings->left_out);
	if (findings->count == 0)
		(void)crb_say_fail(CRB_EXIT_DONE, "inventory: found nothing");
	else
		(void)crb_say_fail(CRB_EXIT_DONE,
		    "inventory: %zu high, %zu medium, %zu low",
		    counts[CRB_SEVERITY_HIGH], counts[CRB_SEVERITY_MEDIUM],
		    counts[CRB_SEVERITY_LOW]);
}

static int
report(const struct crb_options *options, const struct crb_findings *findings)
{
	enum crb_findings_form form = CRB_FINDINGS_LINES;

	if (options->json)
		form = CRB_FINDINGS_JSON;
	else if (isatty(STDOUT_FILENO) == 1)
		form = CRB_FINDINGS_TABLE;
	if (!options->quiet) {
		if (!crb_findings_print(findings, STDOUT_FILENO, form))
			return crb_say_fail(CRB_EXIT_OTHER,
			    "inventory: standard output takes no more");
		print_summary(options, findings);
	}
	return findings->count + findings->left_out > 0 ? CRB_EXIT_REFUSED
							: CRB_EXIT_DONE;
}

static int
look(const struct crb_options *options, struct crb_inventory *inventory,
    pid_t pid)
{
	bool opened = pid == 0 ? crb_view_open_own(&inventory->view)
			       : crb_view_open_other(&inventory->view, pid);

	if (!opened)
		return crb_say_fail(CRB_EXIT_OTHER, "inventory: process %s: %s",
		    options->pid, strerror(errno));
	if (inventory->view.foreign)
		inventory->no_network = true;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		if (!inventory->findings.only ||
		    (steps[i].kinds & 1U << inventory->findings.kind) != 0)
			steps[i].run(inventory);
	}
	return report(options, &inventory->findings);
}

/* In the child, which may be killed. */
_Noreturn static void
work(const struct crb_options *options, struct crb_inventory *inventory,
    pid_t pid, const sigset_t *mask)
{
	const struct rlimit none = { 0, 0 };
	int code;

	/* It reads other people's secrets: no core, and no debugger. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	code = look(options, inventory, pid);
	crb_view_close(&inventory->view);
	crb_findings_clear(&inventory->findings);
	_exit(code);
}

static int
await(pid_t worker, const sigset_t *ended)
{
	const struct timespec patience = { .tv_sec = PATIENCE_SECONDS };
	int status = 0;

	while (sigtimedwait(ended, NULL, &patience) == -1 && errno == EINTR)
		continue;
	if (waitpid(worker, &status, WNOHANG) == worker)
		return WIFEXITED(status)
		    ? WEXITSTATUS(status)
		    : crb_say_fail(CRB_EXIT_OTHER, "inventory: killed");
	(void)kill(worker, SIGKILL);
	return crb_say_fail(CRB_EXIT_OTHER,
	    "inventory: not done within %d s: does a file system not answer?",
	    PATIENCE_SECONDS);
}

int
crb_inventory_run(const struct crb_options *options)
{
	const struct sigaction heard = { .sa_handler = SIG_DFL };
	static struct crb_inventory inventory;
	sigset_t ended, mask;
	pid_t pid = 0, worker;

	if (options->pid != NULL && !parse_pid(options->pid, &pid))
		return crb_say_fail(
		    CRB_EXIT_USAGE, "inventory: --pid wants a number");
	if (options->only != NULL &&
	    !crb_findings_kind(options->only, &inventory.findings.kind))
		return crb_say_fail(CRB_EXIT_USAGE,
		    "inventory: there is no kind %s", options->only);
	inventory.findings.only = options->only != NULL;
	inventory.no_network = options->no_network;
	(void)sigaction(SIGCHLD, &heard, NULL);
	(void)sigemptyset(&ended);
	(void)sigaddset(&ended, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &ended, &mask);
	worker = fork();
	if (worker == -1)
		return crb_say_fail(
		    CRB_EXIT_OTHER, "inventory: fork: %s", strerror(errno));
	if (worker == 0)
		work(options, &inventory, pid, &mask);
	return await(worker, &ended);
}
