#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/slab.h"
#include "base/text.h"
#include "broker/cli/command.h"
#include "broker/cli/output.h"

#ifndef CRB_VERSION
#error "CRB_VERSION is set by the build"
#endif

#define SLAB_BYTES (1u << 20)
#define OPTIONS_MAX 16384
#define NAMES_MAX 64
#define NAME_LEN 24

static void
usage(FILE *to)
{
	fputs("credbroker gives AI agents what a task needs, and no secret.\n\n"
	      "usage: credbroker COMMAND [OPTION...]\n\n",
	    to);
	for (size_t i = 0; crb_commands[i] != NULL; i++)
		fprintf(to, "  %-20s %s\n", crb_commands[i]->name,
		    crb_commands[i]->summary);
	fputs(
	    "\ncredbroker COMMAND --help tells more; so does man credbroker.\n"
	    "First time: credbroker init, then credbroker serve.\n",
	    to);
}

static void
command_usage(const struct crb_command *command, FILE *to)
{
	fprintf(to, "%s\n\nusage: credbroker %s [OPTION...]%s%s\n\n",
	    command->summary, command->name,
	    command->operands != NULL ? " " : "",
	    command->operands != NULL ? command->operands : "");
	crb_options_help(command->options, to);
	if (command->details != NULL)
		fprintf(to, "\n%s", command->details);
}

/* The command that argv[1] (and argv[2]) name; *words of argv are its name. */
static const struct crb_command *
find_command(int argc, char **argv, int *words)
{
	for (size_t i = 0; crb_commands[i] != NULL; i++) {
		const char *name = crb_commands[i]->name;
		size_t first = strcspn(name, " ");

		if (strncmp(name, argv[1], first) != 0 ||
		    argv[1][first] != '\0')
			continue;
		if (name[first] == '\0') {
			*words = 1;
			return crb_commands[i];
		}
		if (argc > 2 && strcmp(name + first + 1, argv[2]) == 0) {
			*words = 2;
			return crb_commands[i];
		}
	}
	return NULL;
}

/* "credential" alone, or with a word that is none of its commands. */
static bool
list_group(const char *group, FILE *to)
{
	size_t len = strlen(group);
	bool found = false;

	for (size_t i = 0; crb_commands[i] != NULL; i++) {
		const struct crb_command *command = crb_commands[i];

		if (strncmp(command->name, group, len) != 0 ||
		    command->name[len] != ' ')
			continue;
		if (!found)
			fprintf(to, "usage: credbroker %s ...\n\n", group);
		found = true;
		fprintf(to, "  %-20s %s\n", command->name, command->summary);
	}
	return found;
}

/* The first words of the commands' names; neighbours may be the same. */
static size_t
first_words(char words[NAMES_MAX][NAME_LEN], const char *names[NAMES_MAX])
{
	size_t count = 0;

	for (; crb_commands[count] != NULL && count < NAMES_MAX; count++) {
		const char *name = crb_commands[count]->name;

		(void)snprintf(words[count], NAME_LEN, "%.*s",
		    (int)strcspn(name, " "), name);
		names[count] = words[count];
	}
	return count;
}

static int
unknown_command(char **argv)
{
	char words[NAMES_MAX][NAME_LEN];
	const char *names[NAMES_MAX], *nearest;

	if (list_group(argv[1], stderr))
		return 2;
	nearest = crb_text_nearest(argv[1], names, first_words(words, names));
	fputs("credbroker: there is no command \"", stderr);
	crb_output_text(stderr, argv[1]);
	fprintf(stderr, "\"%s%s. See: credbroker --help\n",
	    nearest != NULL ? "; did you mean " : "",
	    nearest != NULL ? nearest : "");
	return 2;
}

static void
print_next_steps(const json_t *failure, const char *said)
{
	const json_t *steps = json_object_get(failure, "next_steps");
	size_t i;
	json_t *step;

	json_array_foreach(steps, i, step)
	{
		if (!json_is_string(step) ||
		    strstr(said, json_string_value(step)) != NULL)
			continue;
		fputs("  ", stderr);
		crb_output_text(stderr, json_string_value(step));
		fputc('\n', stderr);
	}
}

static int
report(const struct crb_cli *cli, const struct crb_err *err)
{
	const struct crb_status_info *info = crb_status_info(err->status);
	CRB_AUTO_JSON json_t *json = NULL;

	if (cli->common->json) {
		json = json_pack("{s:{s:s, s:o, s:O*}}", "error", "code",
		    info->code, "message", crb_output_string(err->msg), "data",
		    cli->failure);
		(void)json_dumpf(json, stderr, JSON_INDENT(2));
		fputc('\n', stderr);
	} else {
		fputs(
		    info->exit == 1 ? "credbroker: refused: " : "credbroker: ",
		    stderr);
		crb_output_text(stderr, err->msg);
		fputc('\n', stderr);
		print_next_steps(cli->failure, err->msg);
	}
	return info->exit;
}

static enum crb_status
check_operands(const struct crb_command *command,
    const struct crb_operands *operands, struct crb_err *err)
{
	if (operands->count < command->least)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "%s: %s is missing. See: credbroker %s --help",
		    command->name, command->operands, command->name);
	if (command->most != -1 && operands->count > command->most)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "%s: there is an argument too many (not shown: a secret "
		    "must never be one; it is prompted for, or read from "
		    "standard input). See: credbroker %s --help",
		    command->name, command->name);
	return CRB_OK;
}

/* Where the options are told, behind what is wrong with them. */
static enum crb_status
point_to_help(const struct crb_command *command, struct crb_err *err)
{
	struct crb_err said = *err;

	return crb_err_set(err, said.status, "%s. See: credbroker %s --help",
	    said.msg, command->name);
}

static enum crb_status
run_command(
    struct crb_cli *cli, int argc, char **argv, int words, struct crb_err *err)
{
	static _Alignas(max_align_t) char options[OPTIONS_MAX];
	const struct crb_command *command = cli->command;
	struct crb_operands operands;
	enum crb_status status;

	if (command->options_size > sizeof(options))
		return crb_err_set(err, CRB_ERR_SYSTEM, "options do not fit");
	cli->common = (const struct crb_common *)options;
	for (int i = words + 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0) {
			command_usage(command, stdout);
			return CRB_OK;
		}
		if (command->stop_at_operand && argv[i][0] != '-')
			break;
	}
	if (crb_options_argv(command->options, argc, argv, words + 1,
		command->stop_at_operand, options, &operands, err) != CRB_OK)
		return point_to_help(command, err);
	if (check_operands(command, &operands, err) != CRB_OK)
		return err->status;
	if (!command->no_config &&
	    crb_config_load(cli->common->config, &cli->config, err) != CRB_OK)
		return err->status;
	status = command->run(cli, options, &operands, err);
	if (!command->no_config)
		crb_config_clear(&cli->config);
	crb_options_clear(command->options, options);
	return status;
}

/* Secrets pass through: no core file, and nobody may read our memory. */
static enum crb_status
prepare(struct crb_err *err)
{
	const struct rlimit none = { 0, 0 };

	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	if (sodium_init() < 0)
		return crb_err_set(err, CRB_ERR_SYSTEM, "libsodium");
	if (crb_slab_open(SLAB_BYTES, err) != CRB_OK)
		return err->status;
	crb_json_use_slab();
	return CRB_OK;
}

int
main(int argc, char **argv)
{
	static const struct crb_common no_common;
	struct crb_cli cli = { .admin = -1, .exit = -1, .common = &no_common };
	struct crb_err err = { .status = CRB_OK };
	enum crb_status status;
	int words = 0, result;

	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("credbroker " CRB_VERSION);
		return 0;
	}
	if ((cli.command = find_command(argc, argv, &words)) == NULL)
		return unknown_command(argv);

	if ((status = prepare(&err)) == CRB_OK)
		status = run_command(&cli, argc, argv, words, &err);
	result = status == CRB_OK ? 0 : report(&cli, &err);
	json_decref(cli.failure);
	if (cli.admin != -1)
		(void)close(cli.admin);
	if (fflush(stdout) != 0 && status == CRB_OK)
		result = 5;
	return cli.exit != -1 ? cli.exit : result;
}
