#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shim/command.h"
#include "shim/say.h"

#define ARGS_ANY 1000000

static const struct crb_command commands[] = {
	{ "forward", "[--listen ADDRESS:PORT]",
	    "relay the loopback address to the endpoint", 15000, 0, 0, true,
	    false, crb_forward_run },
	{ "exec",
	    "[--listen ADDRESS:PORT | --listen-fd N] [--interrupts default] [--] COMMAND [ARGUMENT...]",
	    "run a command with a forwarder beside it", 15000, 1, ARGS_ANY,
	    true, false, crb_exec_run },
	{ "get", "PATH", "print what the endpoint answers to GET PATH", 15000,
	    1, 1, false, false, crb_get_run },
	{ "status", "", "say what this session may use, and until when", 0, 0,
	    0, false, false, crb_status_run },
	{ "inventory",
	    "[--pid PID] [--only KIND] [--no-network] [--json] [--quiet]",
	    "list the secrets that could be read here", 0, 0, 0, false, false,
	    crb_inventory_run },
	{ "git-credential-credbroker", "get|store|erase",
	    "git's credential helper", 15000, 1, 1, false, true,
	    crb_git_credential_run },
	{ "credbroker-aws", "NAME", "an AWS profile's credential_process",
	    15000, 1, 1, false, true, crb_aws_run },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static const struct crb_command *
command_find(const char *name, bool program_only)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0 &&
		    (commands[i].program || !program_only))
			return &commands[i];
	}
	return NULL;
}

static void
usage(int fd)
{
	char text[2048];
	int n = snprintf(text, sizeof(text),
	    "usage: credbroker-shim COMMAND [--socket PATH] [--retry SECONDS] "
	    "...\n\n");

	for (size_t i = 0; i < COMMAND_COUNT; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
		    "  %s %s\n      %s\n", commands[i].name, commands[i].usage,
		    commands[i].what);
	(void)crb_say_bytes(fd, text, (size_t)n);
}

static bool
is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int
run(const struct crb_command *command, int argc, char **argv)
{
	struct crb_options options;
	int code;

	if (argc > 1 && is_help(argv[1])) {
		usage(STDOUT_FILENO);
		return CRB_EXIT_DONE;
	}
	code = crb_options_parse(&options, command, argc, argv);
	if (code != CRB_EXIT_DONE)
		return code;
	return command->run(&options);
}

int
main(int argc, char **argv)
{
	const struct crb_command *command;
	const char *name = argc > 0 ? argv[0] : "";
	const char *slash = strrchr(name, '/');

	command = command_find(slash != NULL ? slash + 1 : name, true);
	if (command != NULL)
		return run(command, argc, argv);
	if (argc > 1 && is_help(argv[1])) {
		usage(STDOUT_FILENO);
		return CRB_EXIT_DONE;
	}
	command = argc > 1 ? command_find(argv[1], false) : NULL;
	if (command != NULL)
		return run(command, argc - 1, argv + 1);
	usage(STDERR_FILENO);
	return CRB_EXIT_USAGE;
}
