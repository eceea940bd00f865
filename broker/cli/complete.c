#include "broker/cli/complete.h"

#include <string.h>

#include "backends/backend.h"
#include "base/cleanup.h"
#include "broker/cli/import/sources.h"

#define TEXT_MAX 72u

static const struct crb_slice nothing = { "", 0 };

/* A word that no shell could take on one line is not offered. */
static bool
is_plain(const char *word)
{
	for (; *word != '\0'; word++) {
		if ((unsigned char)*word < ' ' || *word == 0x7f)
			return false;
	}
	return true;
}

void
crb_complete_add(
    struct crb_complete *complete, const char *word, const char *text)
{
	CRB_AUTO_BUF struct crb_buf whole = CRB_BUF_INIT(4096);
	const char *tail = complete->tail != NULL ? complete->tail : "";

	if (word == NULL || word[0] == '\0' || !is_plain(word))
		return;
	crb_buf_add(&whole, complete->head.p, complete->head.len);
	crb_buf_str(&whole, word);
	crb_buf_str(&whole, tail);
	if (strncmp(crb_buf_text(&whole), complete->typed,
		strlen(complete->typed)) != 0)
		return;
	crb_buf_add(complete->out, whole.data, whole.len);
	crb_buf_char(complete->out, '\t');
	if (text != NULL)
		crb_text_escape(complete->out, text, strlen(text), TEXT_MAX);
	crb_buf_char(complete->out, '\n');
}

static void
add_directive(const struct crb_complete *complete, const char *directive)
{
	crb_buf_str(complete->out, directive);
	crb_buf_char(complete->out, '\n');
}

static void
add_choices(struct crb_complete *complete, const char *const *choices)
{
	for (; choices != NULL && *choices != NULL; choices++)
		crb_complete_add(complete, *choices, NULL);
}

/* "bash|zsh|fish" or "[organization|team]", written so in a table. */
static void
add_split(struct crb_complete *complete, const char *text)
{
	struct crb_slice rest = CRB_SLICE(text), piece;

	while (crb_slice_cut(&rest, '|', &piece)) {
		char *copy = crb_slice_dup(crb_slice_trim(piece, "[]"));

		if (copy != NULL)
			crb_complete_add(complete, copy, NULL);
		free(copy);
	}
}

static void
add_backends(struct crb_complete *complete)
{
	for (size_t i = 0; crb_backends[i] != NULL; i++)
		crb_complete_add(
		    complete, crb_backends[i]->kind, crb_backends[i]->summary);
}

static void
add_presets(struct crb_complete *complete)
{
	for (const struct crb_preset *p = crb_presets; p->name != NULL; p++)
		crb_complete_add(complete, p->name, p->summary);
}

static void
add_sources(struct crb_complete *complete)
{
	for (const struct crb_source *s = crb_sources; s->name != NULL; s++)
		crb_complete_add(complete, s->name, s->summary);
}

/* Candidates stand behind the first `len` bytes of what is typed. */
static void
set_head(struct crb_complete *complete, size_t len)
{
	complete->head = (struct crb_slice){ complete->typed, len };
}

static size_t
behind_last(const char *from, const char *marks)
{
	size_t found = 0;

	for (size_t i = 0; from[i] != '\0'; i++) {
		if (strchr(marks, from[i]) != NULL)
			found = i + 1;
	}
	return found;
}

/* "hosts=", and behind "auth=" its choices. */
static void
add_params(struct crb_complete *complete)
{
	const char *value = complete->typed + complete->head.len;
	const char *equals = strchr(value, '=');

	complete->tail = equals == NULL ? "=" : NULL;
	for (size_t i = 0; crb_backends[i] != NULL; i++) {
		const struct crb_option *o = crb_backends[i]->params;

		for (; o->name != NULL; o++) {
			size_t len = strlen(o->name);

			if (equals == NULL)
				crb_complete_add(complete, o->name, o->help);
			else if (strncmp(value, o->name, len) == 0 &&
			    value + len == equals) {
				set_head(complete,
				    (size_t)(equals + 1 - complete->typed));
				add_choices(complete, o->choices);
				return;
			}
		}
	}
}

/* Of the credential of this name, as the broker says; NULL: not known. */
static const struct crb_backend_ops *
backend_of(const struct crb_complete *complete, struct crb_slice name)
{
	CRB_AUTO_BUF struct crb_buf listed = CRB_BUF_INIT(65536);
	CRB_AUTO_FREE char *typed = crb_slice_dup(name);
	struct crb_complete probe = { .names = complete->names,
		.ctx = complete->ctx,
		.out = &listed,
		.typed = typed,
		.head = nothing };
	struct crb_slice rest, line, word;

	if (typed == NULL)
		return NULL;
	complete->names(complete->ctx, "credentials", &probe);
	rest = CRB_SLICE(crb_buf_text(&listed));
	while (rest.len > 0 && crb_slice_cut(&rest, '\n', &line)) {
		if (line.len == 0 || !crb_slice_cut(&line, '\t', &word) ||
		    !crb_slice_is(word, typed))
			continue;
		for (size_t i = 0; crb_backends[i] != NULL; i++)
			if (crb_slice_is(line, crb_backends[i]->kind))
				return crb_backends[i];
	}
	return NULL;
}

/* NAME, then NAME:KEY=, NAME:KEY=VALUE,KEY=VALUE+VALUE. */
static void
add_grant(struct crb_complete *complete)
{
	const char *value = complete->typed + complete->head.len;
	const char *colon = strchr(value, ':');
	const struct crb_backend_ops *backend;
	const char *piece, *equals;

	if (colon == NULL) {
		complete->names(complete->ctx, "credentials", complete);
		return;
	}
	piece = colon + 1 + behind_last(colon + 1, ",");
	equals = strchr(piece, '=');
	set_head(complete, (size_t)(piece - complete->typed));
	complete->tail = equals == NULL ? "=" : NULL;
	backend = backend_of(
	    complete, (struct crb_slice){ value, (size_t)(colon - value) });
	for (size_t i = 0; crb_backends[i] != NULL; i++) {
		const struct crb_attribute *a = crb_backends[i]->attributes;

		if (backend != NULL && crb_backends[i] != backend)
			continue;
		for (; a->name != NULL; a++) {
			size_t len = strlen(a->name);

			if (equals == NULL)
				crb_complete_add(complete, a->name, a->help);
			else if (strncmp(piece, a->name, len) == 0 &&
			    piece + len == equals) {
				set_head(complete,
				    (size_t)(equals + 1 - complete->typed) +
					behind_last(equals + 1, "+"));
				add_choices(complete, a->choices);
				return;
			}
		}
	}
}

/*
 * What the values of options and operands are, by what help calls them.  The
 * first row that fits decides.
 */
static const struct meaning {
	const char *option; /* NULL: any, and operands */
	const char *value;  /* how the help's word for it starts */
	const char *names;  /* ask the broker */
	void (*add)(struct crb_complete *complete);
	const char *directive;
} meanings[] = {
	{ .option = "preset", .value = "NAME", .add = add_presets },
	{ .option = "profile", .value = "NAME", .names = "profiles" },
	{ .option = "credential", .value = "NAME", .names = "credentials" },
	{ .option = "grant", .value = "NAME[", .add = add_grant },
	{ .option = "param", .value = "KEY=", .add = add_params },
	{ .value = "TASK", .names = "tasks" },
	{ .value = "SESSION", .names = "sessions" },
	{ .value = "[SESSION", .names = "sessions" },
	{ .value = "ID", .names = "approvals" },
	{ .value = "[ID", .names = "approvals" },
	{ .value = "KIND", .add = add_backends },
	{ .value = "[SOURCE", .add = add_sources },
	{ .value = "FILE", .directive = ":files" },
	{ .value = "OLD", .directive = ":files" },
	{ .value = "PATH", .directive = ":files" },
	{ .value = "FOLDER", .directive = ":folders" },
};

static bool
add_meaning(
    struct crb_complete *complete, const char *option, const char *value)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++) {
		const struct meaning *m = &meanings[i];

		if ((m->option != NULL &&
			(option == NULL || strcmp(m->option, option) != 0)) ||
		    strncmp(value, m->value, strlen(m->value)) != 0)
			continue;
		if (m->names != NULL)
			complete->names(complete->ctx, m->names, complete);
		if (m->add != NULL)
			m->add(complete);
		if (m->directive != NULL)
			add_directive(complete, m->directive);
		return true;
	}
	return false;
}

static void
add_value(struct crb_complete *complete, const struct crb_option *option)
{
	if (option->choices != NULL)
		add_choices(complete, option->choices);
	else if (option->value != NULL)
		(void)add_meaning(complete, option->name, option->value);
}

/* The option that a word names: "--ttl", "-t", or NULL. */
static const struct crb_option *
option_of(const struct crb_command *command, const char *word)
{
	if (word[0] != '-' || word[1] == '\0')
		return NULL;
	for (const struct crb_option *o = command->options; o->name != NULL;
	     o++) {
		if (word[1] == '-' ? strcmp(word + 2, o->name) == 0
				   : word[1] == o->letter && word[2] == '\0')
			return o;
	}
	return NULL;
}

static bool
was_given(const struct crb_option *option, char *const *words, size_t count)
{
	size_t len = strlen(option->name);

	for (size_t i = 0; i < count; i++) {
		if ((strncmp(words[i], "--", 2) == 0 &&
			strncmp(words[i] + 2, option->name, len) == 0 &&
			(words[i][2 + len] == '\0' ||
			    words[i][2 + len] == '=')) ||
		    (words[i][0] == '-' && words[i][1] == option->letter &&
			option->letter != 0 && words[i][2] == '\0'))
			return true;
	}
	return false;
}

static void
add_options(struct crb_complete *complete, const struct crb_command *command,
    char *const *words, size_t count)
{
	const char *equals = strchr(complete->typed, '=');

	complete->head = CRB_SLICE("--");
	for (const struct crb_option *o = command->options; o->name != NULL;
	     o++) {
		bool repeats = o->type == CRB_OPTION_LIST ||
		    o->type == CRB_OPTION_REPEAT;
		size_t len = strlen(o->name);

		if (equals == NULL &&
		    (repeats || !was_given(o, words, count))) {
			crb_complete_add(complete, o->name, o->help);
		} else if (equals != NULL && o->type != CRB_OPTION_FLAG &&
		    strncmp(complete->typed + 2, o->name, len) == 0 &&
		    complete->typed + 2 + len == equals) {
			set_head(
			    complete, (size_t)(equals + 1 - complete->typed));
			add_value(complete, o);
		}
	}
}

/* Where the words before the one that is typed have got to. */
struct place {
	const struct crb_option *wants; /* an option that waits for its value */
	int operands;
	bool behind; /* options are over */
};

static struct place
find_place(const struct crb_command *command, char *const *words, size_t count)
{
	struct place place = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct crb_option *option = place.behind
		    ? NULL
		    : option_of(command, words[i]);

		if (place.wants != NULL)
			place.wants = NULL;
		else if (!place.behind && strcmp(words[i], "--") == 0)
			place.behind = true;
		else if (option != NULL && option->type != CRB_OPTION_FLAG)
			place.wants = option;
		else if (place.behind || words[i][0] != '-') {
			place.operands++;
			place.behind |= command->stop_at_operand;
		}
	}
	return place;
}

static void
add_operand(struct crb_complete *complete, const struct crb_command *command,
    const struct place *place)
{
	const char *operands = command->operands;

	if (operands == NULL ||
	    (command->most != -1 && place->operands >= command->most))
		return;
	if (strncmp(operands, "-- ", 3) == 0) {
		if (!place->behind)
			crb_complete_add(complete, "--", "then the command");
		else
			add_directive(complete,
			    place->operands == 0 ? ":commands" : ":files");
		return;
	}
	/* A name that is yet to be given to something is nobody's. */
	if (strncmp(operands, "NAME", 4) == 0) {
		if (strstr(command->name, " add") == NULL)
			complete->names(complete->ctx,
			    strncmp(command->name, "profile", 7) == 0
				? "profiles"
				: "credentials",
			    complete);
	} else if (!add_meaning(complete, NULL, operands) &&
	    strchr(operands, '|') != NULL)
		add_split(complete, operands);
}

static void
in_command(struct crb_complete *complete, const struct crb_command *command,
    char *const *words, size_t count)
{
	struct place place = find_place(command, words, count - 1);

	if (place.wants != NULL)
		add_value(complete, place.wants);
	else if (!place.behind && complete->typed[0] == '-')
		add_options(complete, command, words, count - 1);
	else
		add_operand(complete, command, &place);
}

/* The first word of the name, or the second behind it. */
static void
add_commands(struct crb_complete *complete, const char *group)
{
	size_t len = group != NULL ? strlen(group) : 0;
	const char *last = "";

	for (size_t i = 0; complete->commands[i] != NULL; i++) {
		const struct crb_command *c = complete->commands[i];
		size_t first = strcspn(c->name, " ");
		char word[64];

		if (group != NULL) {
			if (first == len && strncmp(c->name, group, len) == 0 &&
			    c->name[len] == ' ')
				crb_complete_add(
				    complete, c->name + len + 1, c->summary);
			continue;
		}
		if (strncmp(last, c->name, first) == 0 &&
		    (last[first] == ' ' || last[first] == '\0'))
			continue;
		(void)snprintf(word, sizeof(word), "%.*s", (int)first, c->name);
		crb_complete_add(
		    complete, word, c->name[first] == '\0' ? c->summary : NULL);
		last = c->name;
	}
}

static const struct crb_command *
find_command(
    const struct crb_complete *complete, char *const *words, size_t *used)
{
	for (size_t i = 0; complete->commands[i] != NULL; i++) {
		const char *name = complete->commands[i]->name;
		size_t first = strcspn(name, " ");

		if (strncmp(name, words[0], first) != 0 ||
		    words[0][first] != '\0')
			continue;
		*used = name[first] == '\0' ? 1 : 2;
		if (*used == 1 || strcmp(name + first + 1, words[1]) == 0)
			return complete->commands[i];
	}
	return NULL;
}

void
crb_complete_words(
    struct crb_complete *complete, char *const *words, size_t count)
{
	const struct crb_command *command;
	size_t used = 0;

	if (count == 0)
		return;
	complete->typed = words[count - 1];
	complete->head = nothing;
	complete->tail = NULL;
	if (count == 1) {
		add_commands(complete, NULL);
		crb_complete_add(complete, "--help", "list the commands");
		crb_complete_add(complete, "--version", "say the version");
		return;
	}
	command = find_command(complete, words, &used);
	if (command != NULL && used < count)
		in_command(complete, command, words + used, count - used);
	else if (count == 2)
		add_commands(complete, words[0]);
}
