#ifndef CRB_UNIT_VALUES_H
#define CRB_UNIT_VALUES_H

/* Values of tests, written as texts. */
#include "base/json.h"
#include "base/secret.h"
#include "tests/unit/unit.h"

/* The caller's. */
static inline struct crb_secret *
secret_of(const char *text)
{
	struct crb_secret *secret = NULL;
	struct crb_err err;

	assert_int_equal(
	    crb_secret_copy(text, strlen(text), &secret, &err), CRB_OK);
	return secret;
}

/* The caller's. */
static inline json_t *
json_of(const char *text)
{
	struct crb_err err = { 0 };
	json_t *json = NULL;

	if (crb_json_parse(text, strlen(text), "test", &json, &err) != CRB_OK)
		fail_msg("%s: %s", text, err.msg);
	return json;
}

#endif /* !CRB_UNIT_VALUES_H */
