#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "broker/cli/client.h"
#include "broker/cli/complete.h"
#include "broker/cli/output.h"

#define WORDS_MAX 256
#define INPUT_MAX (64u << 10)
#define ANSWER_MAX (1u << 20)
#define SECONDS 2 /* nobody waits longer for a Tab */

static const struct crb_option completions_options[] = { CRB_COMMON_OPTIONS };

/*
 * The scripts know nothing of commands and options: they hand the words to
 * this program, on its standard input, since what is typed may be a secret and
 * arguments can be read by others.
 */
static const char bash_script[] =
    "# credbroker's completion for bash; made by: credbroker completions bash\n"
    "_credbroker() {\n"
    "    local rest=${COMP_LINE:0:COMP_POINT} words=() cut value i\n"
    "    local last=${COMP_WORDS[COMP_CWORD]}\n"
    "    # bash cuts at \":\" and \"=\"; what no blank parts is one word.\n"
    "    for ((i = 0; i <= COMP_CWORD; i++)); do\n"
    "        cut=${rest#\"${rest%%[![:blank:]]*}\"}\n"
    "        last=${COMP_WORDS[i]}\n"
    "        if ((i == COMP_CWORD)); then last=$cut; fi\n"
    "        if ((i > 0)) && [[ $cut == \"$rest\" ]]; then\n"
    "            words[${#words[@]}-1]+=$last\n"
    "        else\n"
    "            words+=(\"$last\")\n"
    "        fi\n"
    "        rest=${cut#\"${COMP_WORDS[i]}\"}\n"
    "    done\n"
    "    local word=${words[${#words[@]}-1]} head= breaks=\n"
    "    [[ $COMP_WORDBREAKS != *:* ]] || breaks+=:\n"
    "    [[ $COMP_WORDBREAKS != *=* ]] || breaks+==\n"
    "    [[ -z $breaks ]] || head=${word%\"${word##*[$breaks]}\"}\n"
    "    COMPREPLY=()\n"
    "    while IFS=$'\\t' read -r value _; do\n"
    "        case $value in\n"
    "        :files | :folders | :commands)\n"
    "            local kind=-f\n"
    "            [[ $value == :folders ]] && kind=-d\n"
    "            [[ $value == :commands ]] && kind=-c\n"
    "            compopt -o filenames 2>/dev/null\n"
    "            while IFS= read -r value; do\n"
    "                COMPREPLY+=(\"$value\")\n"
    "            done < <(compgen $kind -- \"${word#\"$head\"}\")\n"
    "            ;;\n"
    "        *)\n"
    "            case $value in *[:=]) compopt -o nospace 2>/dev/null ;; esac\n"
    "            printf -v value %q \"${value#\"$head\"}\"\n"
    "            COMPREPLY+=(\"$value\")\n"
    "            ;;\n"
    "        esac\n"
    "    done < <(printf '%s\\0' \"${words[@]:1}\" |\n"
    "        command credbroker completions words 2>/dev/null)\n"
    "}\n"
    "complete -F _credbroker credbroker\n";

static const char zsh_script[] =
    "#compdef credbroker\n"
    "# credbroker's completion for zsh; made by: credbroker completions zsh\n"
    "_credbroker() {\n"
    "    local value text\n"
    "    local -a before plain shown open open_shown\n"
    "    before=(\"${(@Q)words[2,CURRENT-1]}\")\n"
    "    while IFS=$'\\t' read -r value text; do\n"
    "        case $value in\n"
    "        :files) compset -P '*='; _files; return ;;\n"
    "        :folders) compset -P '*='; _files -/; return ;;\n"
    "        :commands) _command_names -e; return ;;\n"
    "        *[:=]) open+=(\"$value\"); open_shown+=(\"$value  $text\") ;;\n"
    "        *) plain+=(\"$value\"); shown+=(\"$value  $text\") ;;\n"
    "        esac\n"
    "    done < <(print -rN -- \"${before[@]}\" \"${(Q)PREFIX}\" |\n"
    "        command credbroker completions words 2>/dev/null)\n"
    "    (( ${#plain} )) && compadd -l -d shown -a plain\n"
    "    (( ${#open} )) && compadd -S '' -l -d open_shown -a open\n"
    "    (( ${#plain} + ${#open} ))\n"
    "}\n"
    "if [[ $funcstack[1] == _credbroker ]]; then\n"
    "    _credbroker \"$@\"\n"
    "else\n"
    "    compdef _credbroker credbroker\n"
    "fi\n";

static const char fish_script[] =
    "# credbroker's completion for fish; made by: credbroker completions fish\n"
    "function __credbroker_complete\n"
    "    set -l before (commandline -opc)\n"
    "    set -e before[1]\n"
    "    set -l typed (commandline -ct)\n"
    "    for line in (printf '%s\\0' $before \"$typed\" |\n"
    "            command credbroker completions words 2>/dev/null)\n"
    "        switch $line\n"
    "            case :files\n"
    "                __fish_complete_path (string replace -r '^--[^=]*=' '' "
    "-- $typed)\n"
    "            case :folders\n"
    "                __fish_complete_directories (string replace -r "
    "'^--[^=]*=' '' -- $typed)\n"
    "            case :commands\n"
    "                __fish_complete_command\n"
    "            case '*'\n"
    "                echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c credbroker -f -a '(__credbroker_complete)'\n";

static const struct script {
	const char *shell;
	const char *text;
} scripts[] = {
	{ "bash", bash_script },
	{ "zsh", zsh_script },
	{ "fish", fish_script },
};

static void
add_list(struct crb_complete *complete, const json_t *items, const char *key,
    const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
	    crb_complete_add(complete, crb_member(item, key),
		text != NULL ? crb_member(item, text) : NULL);
}

/* Each task once, however many sessions it has. */
static void
add_tasks(struct crb_complete *complete, const json_t *sessions)
{
	CRB_AUTO_JSON json_t *seen = json_object();
	const json_t *session;
	const char *task;
	size_t i;

	json_array_foreach(sessions, i, session)
	{
		task = crb_member(session, "task");
		if (task == NULL || json_object_get(seen, task) != NULL)
			continue;
		(void)json_object_set_new(seen, task, json_true());
		crb_complete_add(complete, task, NULL);
	}
}

static const struct listing {
	const char *which;
	const char *method;
	const char *member;
	const char *key, *text;
} listings[] = {
	{ "credentials", "credential.list", "credentials", "name", "backend" },
	{ "profiles", "profile.list", "profiles", "name", NULL },
	{ "sessions", "session.list", "sessions", "id", "task" },
	{ "tasks", "session.list", "sessions", NULL, NULL },
	{ "approvals", "approval.list", "approvals", "id", "summary" },
};

/* Without a broker, a role, or an unlocked vault there are no names. */
static void
names_of_broker(void *ctx, const char *which, struct crb_complete *complete)
{
	struct crb_cli *cli = ctx;
	CRB_AUTO_JSON json_t *result = NULL;
	const struct listing *listing = listings;
	const json_t *items;
	struct crb_err ignored;

	while (strcmp(listing->which, which) != 0)
		listing++;
	if (crb_cli_call(cli, listing->method, NULL, &result, &ignored) !=
	    CRB_OK)
		return;
	items = json_object_get(result, listing->member);
	if (listing->key == NULL)
		add_tasks(complete, items);
	else
		add_list(complete, items, listing->key, listing->text);
}

/* The words may name another broker. */
static const char *
config_of(char *const *words, size_t count)
{
	for (size_t i = 0; i + 1 < count; i++) {
		if (strncmp(words[i], "--config=", 9) == 0)
			return words[i] + 9;
		if (strcmp(words[i], "--config") == 0 && i + 2 < count)
			return words[i + 1];
	}
	return NULL;
}

static void
too_late(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

static size_t
split_words(struct crb_buf *input, char *words[WORDS_MAX])
{
	size_t count = 0;

	for (size_t at = 0; at < input->len && count < WORDS_MAX;
	     at += strlen(input->data + at) + 1)
		words[count++] = input->data + at;
	return count;
}

static enum crb_status
complete_words(struct crb_cli *cli, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf input = CRB_BUF_INIT_WIPED(INPUT_MAX);
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(ANSWER_MAX);
	char *words[WORDS_MAX];
	struct crb_complete complete = { .commands = crb_commands,
		.names = names_of_broker,
		.ctx = cli,
		.out = &out };
	struct crb_err ignored;
	size_t count;

	(void)signal(SIGALRM, too_late);
	(void)alarm(SECONDS);
	if (crb_io_read_all(STDIN_FILENO, &input, CRB_FOREVER, err) != CRB_OK)
		return err->status;
	count = split_words(&input, words);
	if (crb_config_load(config_of(words, count), &cli->config, &ignored) !=
	    CRB_OK)
		return CRB_OK;
	crb_complete_words(&complete, words, count);
	crb_config_clear(&cli->config);
	fputs(crb_buf_text(&out), stdout);
	return CRB_OK;
}

static enum crb_status
completions_run(struct crb_cli *cli, const void *opaque,
    const struct crb_operands *operands, struct crb_err *err)
{
	const char *shell = operands->at[0];

	(void)opaque;
	/* What the scripts ask with; of no use to people. */
	if (strcmp(shell, "words") == 0)
		return complete_words(cli, err);
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		if (strcmp(scripts[i].shell, shell) == 0) {
			fputs(scripts[i].text, stdout);
			return CRB_OK;
		}
	}
	return crb_err_set(
	    err, CRB_ERR_USAGE, "completions: for bash, zsh or fish");
}

const struct crb_command crb_command_completions = {
	.name = "completions",
	.operands = "bash|zsh|fish",
	.least = 1,
	.most = 1,
	.no_config = true,
	.summary = "print a shell's completion script",
	.details =
	    "Installed with credbroker where the shells look for it. For one\n"
	    "that is not installed system-wide:\n"
	    "\n"
	    "  source <(credbroker completions bash)      # ~/.bashrc\n"
	    "  source <(credbroker completions zsh)       # ~/.zshrc, after "
	    "compinit\n"
	    "  credbroker completions fish | source       # config.fish\n",
	.options = completions_options,
	.options_size = sizeof(struct crb_common),
	.run = completions_run,
};
