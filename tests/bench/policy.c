/*
 * What a decision costs with 100, 1,000 and 10,000 rules in each of three
 * tiers, and what reading the largest does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/decide.h"
#include "policy/document.h"
#include "policy/question.h"

#define TIERS 3
#define ASKED 20000
#define QUESTIONS 64

static const char *const tier_names[TIERS] = { "organization", "team",
	"local" };

static double
seconds_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Rules as they are written: most about one repository or one credential. */
static void
write_rule(struct crb_buf *out, unsigned i)
{
	static const char *const effects[] = { "allow", "deny", "allow",
		"ask" };

	crb_buf_printf(out,
	    "%s{\"id\": \"rule-%u\", \"effect\": \"%s\", \"credentials\": ",
	    i > 0 ? ",\n" : "", i, effects[i % 4]);
	switch (i % 4) {
	case 0:
		crb_buf_printf(out,
		    "[\"github\"], \"scope\": {\"repository\": "
		    "[\"acme/service-%u\", \"acme/service-%u/**\"], "
		    "\"git\": [\"fetch\", \"push\"]}}",
		    i, i);
		break;
	case 1:
		crb_buf_printf(out,
		    "[\"*\"], \"scope\": {\"repository\": "
		    "[\"secret/vault-%u\"]}}",
		    i);
		break;
	case 2:
		crb_buf_printf(out,
		    "[\"aws-%u\"], \"scope\": {\"actions\": [\"s3:Get*\"], "
		    "\"resources\": [\"arn:aws:s3:::bucket-%u/*\"]}}",
		    i, i);
		break;
	default:
		crb_buf_printf(out,
		    "[\"api-*\"], \"scope\": {\"hosts\": [\"h%u.test\"], "
		    "\"methods\": [\"DELETE\"], \"paths\": [\"/v1/**\"]}}",
		    i);
	}
}

static struct crb_policy *
make_policy(const char *tier, unsigned rules, double *took)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(CRB_POLICY_BYTES_MAX);
	struct crb_policy *policy = NULL;
	struct crb_err err;
	double start;

	crb_buf_printf(&text,
	    "{\"tier\": \"%s\", \"name\": \"bench\", \"serial\": 1, "
	    "\"rules\": [",
	    tier);
	for (unsigned i = 0; i < rules; i++)
		write_rule(&text, i);
	crb_buf_str(&text, "]}");
	start = seconds_now();
	if (text.failed ||
	    crb_policy_parse(
		text.data, text.len, "bench", NULL, &policy, &err) != CRB_OK) {
		fprintf(stderr, "policy: %s\n",
		    text.failed ? "the text is too large" : err.msg);
		exit(1);
	}
	*took = seconds_now() - start;
	return policy;
}

struct asked {
	char repository[64];
	const char *value[2];
	struct crb_question question;
};

static void
make_question(struct asked *out, unsigned rules, unsigned number)
{
	/* What an even fourth rule allows. */
	unsigned rule = number * 7919 % (rules / 4) * 4;

	(void)snprintf(
	    out->repository, sizeof(out->repository), "acme/service-%u", rule);
	out->value[0] = out->repository;
	out->value[1] = "push";
	out->question = (struct crb_question){ .credential = "github",
		.task = "fix-123",
		.user = "ann",
		.delivery = "inject",
		.count = 3,
		.at = {
		    { .name = "repository", .count = 1, .value = out->value },
		    { .name = "git", .count = 1, .value = out->value + 1 },
		    { .name = "ref", .state = CRB_ASKED_LATER },
		} };
}

static double
measure(const struct crb_tiers *tiers, unsigned rules)
{
	static struct asked asked[QUESTIONS];
	struct crb_verdict verdict;
	unsigned allowed = 0;
	double start;

	for (unsigned i = 0; i < QUESTIONS; i++)
		make_question(&asked[i], rules, i);
	start = seconds_now();
	for (unsigned i = 0; i < ASKED; i++) {
		crb_policy_decide(
		    tiers, &asked[i % QUESTIONS].question, &verdict);
		allowed += verdict.effect == CRB_EFFECT_ALLOW;
	}
	if (allowed != ASKED) {
		fprintf(stderr, "policy: %u of %d allowed\n", allowed, ASKED);
		exit(1);
	}
	return (seconds_now() - start) / ASKED;
}

int
main(void)
{
	for (unsigned rules = 100; rules <= 10000; rules *= 10) {
		struct crb_policy *policy[TIERS];
		const struct crb_tiers tiers = {
			(const struct crb_policy *const *)policy, TIERS, NULL
		};
		double took = 0, best = 1;

		for (unsigned i = 0; i < TIERS; i++)
			policy[i] = make_policy(tier_names[i], rules, &took);
		for (unsigned i = 0; i < 5; i++) {
			double one = measure(&tiers, rules);

			best = one < best ? one : best;
		}
		printf("{\"rules\": %u, \"decide_us\": %.3f, \"load_ms\": "
		       "%.1f}\n",
		    rules, best * 1e6, took * 1e3);
		for (unsigned i = 0; i < TIERS; i++)
			crb_policy_free(policy[i]);
	}
	return 0;
}
