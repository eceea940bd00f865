#include <string.h>

#include "unit.h"

#include "broker/cli/complete.h"

struct options {
	struct crb_common common;
	const char *text;
	bool flag;
	struct crb_list list;
};
#define AT(member) offsetof(struct options, member)

static const char *const choices[] = { "one", "two", NULL };

static const struct crb_option add_options[] = {
	{ .name = "kind",
	    .letter = 'k',
	    .type = CRB_OPTION_CHOICE,
	    .offset = AT(text),
	    .choices = choices,
	    .help = "which" },
	{ .name = "force",
	    .letter = 'f',
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(flag),
	    .help = "do" },
	{ .name = "grant",
	    .letter = 'g',
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(list),
	    .value = "NAME[:KEY=VALUE,...]",
	    .help = "a grant" },
	{ .name = "key-file",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(text),
	    .value = "FILE",
	    .help = "a file" },
	CRB_OPTION_END,
};

static const struct crb_command add = { .name = "credential add",
	.operands = "NAME",
	.most = 1,
	.options = add_options };
static const struct crb_command show = { .name = "credential show",
	.operands = "NAME",
	.most = 1,
	.options = add_options };
static const struct crb_command run = { .name = "run",
	.operands = "-- COMMAND",
	.most = -1,
	.stop_at_operand = true,
	.options = add_options };
static const struct crb_command stop = { .name = "stop",
	.operands = "[SESSION]",
	.most = 1,
	.options = add_options };
static const struct crb_command *const commands[] = { &add, &show, &run, &stop,
	NULL };

static void
names(void *ctx, const char *which, struct crb_complete *complete)
{
	(void)ctx;
	if (strcmp(which, "credentials") == 0) {
		crb_complete_add(complete, "github", "static");
		crb_complete_add(complete, "aws", "aws-sts");
		crb_complete_add(complete, "git ea", "x\tand \x1b more");
		crb_complete_add(complete, "two\nlines", NULL);
		crb_complete_add(complete, NULL, NULL);
	} else {
		crb_complete_add(complete, which, NULL);
	}
}

/* The candidates behind words that a blank parts; "." ends with a blank. */
static void
offers(const char *typed, const char *expected)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
	CRB_AUTO_BUF struct crb_buf got = CRB_BUF_INIT(8192);
	struct crb_complete complete = {
		.commands = commands, .names = names, .out = &out
	};
	struct crb_slice rest, line, word;
	char copy[256], *words[16], *at = copy;
	size_t count = 0;

	(void)snprintf(copy, sizeof(copy), "%s", typed);
	while (at != NULL)
		words[count++] = strsep(&at, " ");
	crb_complete_words(&complete, words, count);
	rest = CRB_SLICE(crb_buf_text(&out));
	while (out.len > 0 && crb_slice_cut(&rest, '\n', &line)) {
		if (line.len > 0 && crb_slice_cut(&line, '\t', &word)) {
			crb_buf_str(&got, got.len > 0 ? " " : "");
			crb_buf_add(&got, word.p, word.len);
		}
	}
	if (strcmp(crb_buf_text(&got), expected) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", typed, crb_buf_text(&got),
		    expected);
}

static void
commands_and_their_second_words(void **state)
{
	(void)state;
	offers("", "credential run stop --help --version");
	offers("c", "credential");
	offers("credential ", "add show");
	offers("credential s", "show");
	offers("credential x y", "");
	offers("nothing ", "");
	offers("run", "run");
}

static void
options_and_their_values(void **state)
{
	(void)state;
	offers("credential add -", "--kind --force --grant --key-file");
	offers("credential add --force -", "--kind --grant --key-file");
	offers("credential add -f -k one --", "--grant --key-file");
	offers("credential add --grant x --gr", "--grant");
	offers("credential add --kind ", "one two");
	offers("credential add -k t", "two");
	offers("credential add --kind=", "--kind=one --kind=two");
	offers("credential add --kind=o", "--kind=one");
	offers("credential add --force=", "");
	offers("credential add --key-file ", ":files");
	offers("credential add --key-file=", ":files");
}

static void
operands(void **state)
{
	(void)state;
	offers("credential show ", "github aws git ea");
	offers("credential show git", "github git ea");
	offers("credential show -f gith", "github");
	offers("credential show one ", "");
	offers("credential add ", "");
	offers("stop ", "sessions");
	offers("run ", "--");
	offers("run -- ", ":commands");
	offers("run -- ls ", ":files");
	offers("run -- ls --k", ":files");
	offers("stop -- ", "sessions");
}

static void
grants_by_parts(void **state)
{
	(void)state;
	offers("run -g gith", "github");
	offers("run --grant=gith", "--grant=github");
	offers("run -g github:",
	    "github:repository= github:git= github:ref= github:change=");
	offers("run -g github:g", "github:git=");
	offers("run -g github:git=",
	    "github:git=fetch github:git=push github:git=push-options "
	    "github:git=push-signed");
	offers("run -g github:repository=a/b,git=push+f",
	    "github:repository=a/b,git=push+fetch");
	offers("run --grant=github:git=f", "--grant=github:git=fetch");
	offers("run -g github:repository=", "");
	/* Each by its own backend; all of them when that is not known. */
	offers("run -g aws:act", "aws:actions=");
	offers("run -g aws:git", "");
	offers("run -g aws:delivery=", "aws:delivery=mint aws:delivery=inject");
	offers("run -g x:rep", "x:repository=");
	offers("run -g x:re", "x:resources= x:repository= x:ref=");
}

static void
what_others_named_cannot_break_a_line(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
	struct crb_complete complete = {
		.commands = commands, .names = names, .out = &out
	};
	char word[] = "credential", verb[] = "show", last[] = "";
	char *words[] = { word, verb, last };

	(void)state;
	crb_complete_words(&complete, words, 3);
	assert_string_equal(crb_buf_text(&out),
	    "github\tstatic\naws\taws-sts\n"
	    "git ea\tx\\x09and \\x1b more\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_and_their_second_words),
		cmocka_unit_test(options_and_their_values),
		cmocka_unit_test(operands),
		cmocka_unit_test(grants_by_parts),
		cmocka_unit_test(what_others_named_cannot_break_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
