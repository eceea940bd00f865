#ifndef CRB_TEST_POLICY_H
#define CRB_TEST_POLICY_H

/* Policies and questions, written short. */
#include "unit.h"

#include "policy/decide.h"
#include "policy/document.h"
#include "policy/question.h"

/* Three zones: UTC, two hours east, and one that changes at time 1000000. */
static inline bool
zones_at(void *ctx, const char *zone, int64_t at, struct crb_zone_time *out)
{
	(void)ctx;
	*out = (struct crb_zone_time){ 0, INT64_MAX };
	if (strcmp(zone, "UTC") == 0)
		return true;
	if (strcmp(zone, "Test/East") == 0) {
		out->east = 7200;
		return true;
	}
	if (strcmp(zone, "Test/Summer") != 0)
		return false;
	out->until = at < 1000000 ? 1000000 : INT64_MAX;
	out->east = at < 1000000 ? 3600 : 7200;
	return true;
}
static const struct crb_zones zones = { zones_at, NULL };

/* "rules" of a local policy. */
static inline struct crb_policy *
policy_of(const char *tier, const char *rules)
{
	struct crb_policy *policy = NULL;
	struct crb_err err = { 0 };
	char *text = NULL;

	assert_true(asprintf(&text,
			"{\"tier\": \"%s\", \"name\": \"test\", \"serial\": 1,"
			" \"rules\": [%s]}",
			tier, rules) > 0);
	if (crb_policy_parse(text, strlen(text), "test.json", &zones, &policy,
		&err) != CRB_OK)
		fail_msg("%s in %s", err.msg, text);
	free(text);
	return policy;
}

#endif /* !CRB_TEST_POLICY_H */
