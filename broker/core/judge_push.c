#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/core/judge.h"

/*
 * The refs of a push.  Each is a question of its own, and so are push options
 * and a certificate for each; all have to be allowed, since a push that is done
 * by halves is not what was asked for.
 */
#define REASON_MAX 1024
/* So many are told; what was refused is refused, and the rest is not asked. */
#define REFUSED_MAX 100

enum part { PART_PUSH, PART_OPTIONS, PART_SIGNED, PART_COUNT };

/* What is asked, and how its refusal begins; of a push it is the change. */
static const struct {
	const char *git;
	const char *what;
} parts[PART_COUNT] = {
	[PART_PUSH] = { "push", NULL },
	[PART_OPTIONS] = { "push-options", "a push with options" },
	[PART_SIGNED] = { "push-signed", "a signed push" },
};

static const char *
what_is(const struct crb_push_command *command, enum part part)
{
	return parts[part].what != NULL ? parts[part].what
					: crb_changes[command->change];
}

static bool
has_part(const struct crb_push_commands *commands, enum part part)
{
	return part == PART_PUSH ||
	    (part == PART_OPTIONS && commands->option_count > 0) ||
	    (part == PART_SIGNED && commands->is_signed);
}

/* What the judging of a push has come to so far. */
struct pushing {
	struct crb_judgement *judgement;
	struct crb_verdict all; /* joined */
	size_t refused;         /* commands */
	enum crb_effect strictest;
	size_t command; /* that the strictest is about */
	enum part part;
};

static enum crb_effect
ask(struct crb_judgement *judgement, size_t index, enum part part)
{
	const struct crb_push_command *command =
	    &judgement->commands->command[index];

	/* The parser takes none that is longer. */
	(void)crb_slice_copy(
	    command->ref, judgement->asking.ref, sizeof(judgement->asking.ref));
	crb_judge_add(judgement, "git", parts[part].git);
	crb_judge_add(judgement, "ref", judgement->asking.ref);
	crb_judge_add(judgement, "change", crb_changes[command->change]);
	/* The grant that it goes with is the one of its first ref. */
	if (index == 0 && part == PART_PUSH &&
	    crb_judge_own(judgement) != CRB_EFFECT_ALLOW)
		return CRB_EFFECT_DENY;
	return crb_judge_tiers(judgement);
}

/* "refs/heads/main update is denied by ...", where there is room for it. */
static void
add_refused(struct pushing *pushing, const char *what)
{
	struct crb_judgement *judgement = pushing->judgement;
	CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(REASON_MAX);
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(
	    CRB_REF_MAX + 2 * REASON_MAX);

	pushing->refused++;
	crb_tiers_words(&judgement->verdict, &words);
	crb_buf_printf(&line, "%s %s is %s", judgement->asking.ref, what,
	    words.failed ? "denied by policy" : crb_buf_text(&words));
	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] == '\n')
			line.data[i] = ' ';
	}
	crb_buf_char(&line, '\n');
	if (!line.failed && judgement->refs != NULL &&
	    judgement->refs->max - judgement->refs->len >= line.len)
		crb_buf_add(judgement->refs, line.data, line.len);
}

static void
judge_command(struct pushing *pushing, size_t index)
{
	struct crb_judgement *judgement = pushing->judgement;
	const struct crb_push_commands *commands = judgement->commands;
	enum crb_effect effect = CRB_EFFECT_ALLOW;

	for (enum part part = 0; part < PART_COUNT && effect != CRB_EFFECT_DENY;
	     part++) {
		if (!has_part(commands, part))
			continue;
		effect = ask(judgement, index, part);
		crb_tiers_join(&pushing->all, &judgement->verdict);
		if (effect == CRB_EFFECT_DENY)
			add_refused(
			    pushing, what_is(&commands->command[index], part));
		if (effect >= pushing->strictest)
			continue;
		pushing->strictest = effect;
		pushing->command = index;
		pushing->part = part;
	}
}

/* "update of refs/heads/main (and 2 more refs) in acme/api" */
static void
what_of(const struct pushing *pushing, char *out, size_t size)
{
	const struct crb_judgement *judgement = pushing->judgement;
	const struct crb_push_commands *commands = judgement->commands;
	bool denied = pushing->strictest == CRB_EFFECT_DENY;
	size_t count = denied ? pushing->refused : commands->count;
	char more[48] = "";

	if (count > 1)
		(void)snprintf(more, sizeof(more), " (and %zu more ref%s)",
		    count - 1, count > 2 ? "s" : "");
	(void)snprintf(out, size, "%s of %.128s%s in %s",
	    what_is(&commands->command[pushing->command], pushing->part),
	    judgement->asking.ref, more, judgement->request.repository);
}

/* The strictest question is the one that is told, and written down. */
static bool
conclude(struct pushing *pushing)
{
	struct crb_judgement *judgement = pushing->judgement;
	char what[CRB_REPOSITORY_MAX + 256];

	if (pushing->strictest == CRB_EFFECT_ALLOW)
		return true;
	(void)ask(judgement, pushing->command, pushing->part);
	/* Whoever has to approve one of them has to approve all. */
	if (judgement->verdict.effect == CRB_EFFECT_ASK)
		judgement->verdict = pushing->all;
	what_of(pushing, what, sizeof(what));
	return crb_judge_refuse(judgement, what);
}

bool
crb_judge_push(struct crb_judgement *judgement)
{
	struct pushing pushing = { .judgement = judgement,
		.all = { .effect = CRB_EFFECT_ALLOW },
		.strictest = CRB_EFFECT_ALLOW };

	if (judgement->refs != NULL)
		crb_buf_reset(judgement->refs);
	for (size_t i = 0;
	     i < judgement->commands->count && pushing.refused < REFUSED_MAX;
	     i++)
		judge_command(&pushing, i);
	return conclude(&pushing);
}
