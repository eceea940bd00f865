#include <stdbool.h>
#include <string.h>

#include "shim/command.h"
#include "shim/say.h"

/* The longest wait that --retry accepts. */
#define RETRY_MAX_SECONDS 3600

static bool
set_socket(struct crb_options *options, const char *value)
{
	options->socket = value;
	return value[0] != '\0';
}

static bool
set_listen(struct crb_options *options, const char *value)
{
	options->listen = value;
	return value[0] != '\0';
}

static bool
set_retry(struct crb_options *options, const char *value)
{
	int seconds = 0;

	if (value[0] == '\0')
		return false;
	for (; *value != '\0'; value++) {
		if (*value < '0' || *value > '9')
			return false;
		seconds = seconds * 10 + (*value - '0');
		if (seconds > RETRY_MAX_SECONDS)
			return false;
	}
	options->retry_ms = seconds * 1000;
	return true;
}

static bool
set_interrupts(struct crb_options *options, const char *value)
{
	options->interrupts = strcmp(value, "default") == 0;
	return options->interrupts || strcmp(value, "inherit") == 0;
}

/* Not one of the standard three. */
static bool
set_listen_fd(struct crb_options *options, const char *value)
{
	options->listen_fd = 0;
	for (; *value >= '0' && *value <= '9' && options->listen_fd < 1 << 20;
	     value++)
		options->listen_fd = options->listen_fd * 10 + (*value - '0');
	return *value == '\0' && options->listen_fd > 2;
}

static bool
set_pid(struct crb_options *options, const char *value)
{
	options->pid = value;
	return value[0] != '\0';
}

static bool
set_only(struct crb_options *options, const char *value)
{
	options->only = value;
	return value[0] != '\0';
}

static bool
set_json(struct crb_options *options, const char *value)
{
	(void)value;
	return options->json = true;
}

static bool
set_quiet(struct crb_options *options, const char *value)
{
	(void)value;
	return options->quiet = true;
}

static bool
set_no_network(struct crb_options *options, const char *value)
{
	(void)value;
	return options->no_network = true;
}

static const struct option {
	const char *name;
	bool (*set)(struct crb_options *options, const char *value);
	/* The one command that takes it; NULL: those of the endpoint. */
	int (*only)(const struct crb_options *options);
	bool flag; /* takes no value */
} option_table[] = {
	{ "--socket", set_socket, NULL, false },
	{ "--listen", set_listen, NULL, false },
	{ "--retry", set_retry, NULL, false },
	{ "--interrupts", set_interrupts, crb_exec_run, false },
	{ "--listen-fd", set_listen_fd, crb_exec_run, false },
	{ "--pid", set_pid, crb_inventory_run, false },
	{ "--only", set_only, crb_inventory_run, false },
	{ "--json", set_json, crb_inventory_run, true },
	{ "--quiet", set_quiet, crb_inventory_run, true },
	{ "--no-network", set_no_network, crb_inventory_run, true },
};

static bool
option_fits(const struct option *option, const struct crb_command *command)
{
	if (option->only != NULL)
		return option->only == command->run;
	if (option->set == set_listen)
		return command->listens;
	return command->run != crb_inventory_run;
}

/* The option that `word` is or begins; *value is what follows its "=". */
static const struct option *
option_find(
    const struct crb_command *command, const char *word, const char **value)
{
	for (size_t i = 0; i < sizeof(option_table) / sizeof(*option_table);
	     i++) {
		const struct option *option = &option_table[i];
		size_t len = strlen(option->name);

		if (!option_fits(option, command) ||
		    strncmp(word, option->name, len) != 0)
			continue;
		if (word[len] != '\0' && (word[len] != '=' || option->flag))
			continue;
		*value = word[len] == '=' ? word + len + 1 : NULL;
		return option;
	}
	return NULL;
}

int
crb_options_parse(struct crb_options *options,
    const struct crb_command *command, int argc, char **argv)
{
	int i = 1;

	*options = (struct crb_options){
		.socket = CRB_SHIM_SOCKET,
		.listen = CRB_SHIM_LISTEN,
		.retry_ms = command->retry_ms,
		.listen_fd = -1,
	};
	for (; i < argc && argv[i][0] == '-'; i++) {
		const struct option *option;
		const char *value = NULL;

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		option = option_find(command, argv[i], &value);
		if (option == NULL)
			return crb_say_fail(CRB_EXIT_USAGE,
			    "%s: no option %s; see --help", command->name,
			    argv[i]);
		if (value == NULL && !option->flag && i + 1 < argc)
			value = argv[++i];
		if (option->flag)
			value = "";
		if (value == NULL || !option->set(options, value))
			return crb_say_fail(CRB_EXIT_USAGE,
			    "%s: %s wants a value that makes sense",
			    command->name, option->name);
	}
	options->args = argv + i;
	options->arg_count = argc - i;
	if (options->arg_count < command->arg_min ||
	    options->arg_count > command->arg_max)
		return crb_say_fail(CRB_EXIT_USAGE, "usage: %s %s",
		    command->name, command->usage);
	return CRB_EXIT_DONE;
}
