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
/* What a question costs before it is held against a rule. */
#define COMMAND_WORK 32u

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

/* One of its questions, in the place of the one before. */
static void
put(struct crb_judgement *judgement, size_t index, enum part part)
{
	const struct crb_push_command *command =
	    &judgement->commands->command[index];

	/* The parser takes none that is longer. */
	(void)crb_slice_copy(
	    command->ref, judgement->asking.ref, sizeof(judgement->asking.ref));
	crb_judge_add(judgement, "git", parts[part].git);
	crb_judge_add(judgement, "ref", judgement->asking.ref);
	crb_judge_add(judgement, "change", crb_changes[command->change]);
}

static enum crb_effect
ask(struct crb_judgement *judgement, size_t index, enum part part)
{
	enum crb_effect effect;

	put(judgement, index, part);
	/* The grant that it goes with is the one of its first ref. */
	if (index == 0 && part == PART_PUSH &&
	    crb_judge_own(judgement) != CRB_EFFECT_ALLOW)
		return CRB_EFFECT_DENY;
	effect = crb_judge_tiers(judgement);
	judgement->work += COMMAND_WORK + judgement->verdict.work;
	return effect;
}

/* "refs/heads/main update is denied by ...", where there is room for it. */
static void
add_refused(struct crb_judgement *judgement, const char *what)
{
	struct crb_judge_progress *progress = judgement->progress;
	CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(REASON_MAX);
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(
	    CRB_REF_MAX + 2 * REASON_MAX);

	progress->refused++;
	crb_tiers_words(&judgement->verdict, &words);
	crb_buf_printf(&line, "%s %s is %s", judgement->asking.ref, what,
	    words.failed ? "denied by policy" : crb_buf_text(&words));
	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] == '\n')
			line.data[i] = ' ';
	}
	crb_buf_char(&line, '\n');
	if (!line.failed && progress->refs.max - progress->refs.len >= line.len)
		crb_buf_add(&progress->refs, line.data, line.len);
}

/* What the question was about is gone by the next slice. */
static void
join(struct crb_judge_progress *progress, const struct crb_verdict *verdict)
{
	crb_tiers_join(&progress->all, verdict);
	memset(progress->all.value, 0, sizeof(progress->all.value));
}

static void
judge_command(struct crb_judgement *judgement, size_t index)
{
	struct crb_judge_progress *progress = judgement->progress;
	const struct crb_push_commands *commands = judgement->commands;
	enum crb_effect effect = CRB_EFFECT_ALLOW;

	for (enum part part = 0; part < PART_COUNT && effect != CRB_EFFECT_DENY;
	     part++) {
		if (!has_part(commands, part))
			continue;
		effect = ask(judgement, index, part);
		join(progress, &judgement->verdict);
		if (effect == CRB_EFFECT_DENY)
			add_refused(judgement,
			    what_is(&commands->command[index], part));
		if (effect >= progress->strictest)
			continue;
		progress->strictest = effect;
		progress->command = index;
		progress->part = part;
	}
}

/* "update of refs/heads/main (and 2 more refs) in acme/api" */
static void
what_of(const struct crb_judgement *judgement, char *out, size_t size)
{
	const struct crb_judge_progress *progress = judgement->progress;
	const struct crb_push_commands *commands = judgement->commands;
	bool denied = progress->strictest == CRB_EFFECT_DENY;
	size_t count = denied ? progress->refused : commands->count;
	char more[48] = "";

	if (count > 1)
		(void)snprintf(more, sizeof(more), " (and %zu more ref%s)",
		    count - 1, count > 2 ? "s" : "");
	(void)snprintf(out, size, "%s of %.128s%s in %s",
	    what_is(&commands->command[progress->command], progress->part),
	    judgement->asking.ref, more, judgement->request.repository);
}

/* The strictest question is the one that is told, and written down. */
static bool
conclude(struct crb_judgement *judgement)
{
	const struct crb_judge_progress *progress = judgement->progress;
	char what[CRB_REPOSITORY_MAX + 256];

	/* Of all slices, and not of what any other push might be. */
	judgement->durable = progress->all.durable;
	if (progress->strictest == CRB_EFFECT_ALLOW)
		return true;
	(void)ask(judgement, progress->command, progress->part);
	/* Whoever has to approve one of them has to approve all. */
	if (judgement->verdict.effect == CRB_EFFECT_ASK)
		judgement->verdict = progress->all;
	judgement->refs = &progress->refs;
	what_of(judgement, what, sizeof(what));
	return crb_judge_refuse(judgement, what);
}

/* Where it was, or at the first command. */
static void
take_up(struct crb_judgement *judgement)
{
	struct crb_judge_progress *progress = judgement->progress;

	if (progress->next > 0) {
		put(judgement, 0, PART_PUSH);
		(void)crb_judge_own(judgement);
		return;
	}
	crb_buf_reset(&progress->refs);
	progress->all = (struct crb_verdict){ .effect = CRB_EFFECT_ALLOW };
	progress->refused = 0;
	progress->strictest = CRB_EFFECT_ALLOW;
}

/* Nothing that was asked so far says what becomes of it. */
static bool
leave_off(struct crb_judgement *judgement)
{
	judgement->unfinished = true;
	judgement->verdict = (struct crb_verdict){ .effect = CRB_EFFECT_DENY };
	judgement->rule = "";
	return false;
}

bool
crb_judge_push(struct crb_judgement *judgement)
{
	struct crb_judge_progress *progress = judgement->progress;

	take_up(judgement);
	while (progress->next < judgement->commands->count &&
	    progress->refused < REFUSED_MAX) {
		if (judgement->work >= CRB_JUDGE_SLICE)
			return leave_off(judgement);
		judge_command(judgement, progress->next++);
	}
	return conclude(judgement);
}
