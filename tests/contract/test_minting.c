/* What all backends promise that mint. */
#include "backends/backend.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/slab.h"
#include "base/text.h"
#include "tests/contract/watch.h"
#include "tests/unit/values.h"

/* Of a real token's length, so that buffers grow. */
#define T16 "tttttttttttttttt"
#define T256 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16

/* What a minting backend is asked for in these tests, and how it is answered.
 */
static const struct minting {
	const char *kind;
	const char *params;
	const char *given; /* as it is typed in; holds the canary */
	const char *scopes[3];
	const char *reply;   /* "%s" is the canary's leased cousin */
	const char *refusal; /* "%s" is the canary */
} mintings[] = {
	{ "aws-sts",
	    "{\"role-arn\": \"arn:aws:iam::123456789012:role/agent\","
	    " \"region\": \"eu-west-1\"}",
	    "{\"AccessKeyId\": \"AKIDEXAMPLE\", \"SecretAccessKey\":"
	    " \"" CANARY "\"}",
	    { "actions=s3:GetObject,resources=arn:aws:s3:::alpha/*",
		"actions=s3:ListBucket,resources=arn:aws:s3:::alpha", NULL },
	    "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
	    "<AccessKeyId>ASIDEXAMPLE</AccessKeyId>"
	    "<SecretAccessKey>%s</SecretAccessKey>"
	    "<SessionToken>%s" T256 T256 T256 T256 "</SessionToken>"
	    "<Expiration>2026-11-21T19:00:00Z</Expiration></Credentials>"
	    "</AssumeRoleResult></AssumeRoleResponse>",
	    "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not with "
	    "%s</Message></Error></ErrorResponse>" },
};
#define MINTINGS (sizeof(mintings) / sizeof(*mintings))
#define MINT_NOW 1795286400 /* 2026-11-21T18:40:00Z, about */
#define LEASED "lEaSeD-51a9e3f7"

static const struct crb_mint_terms terms = { "fix-123", "7Kq2a9Zx", 3600 };

/* An upstream that answers what it is told to. */
struct canned {
	unsigned status;
	const char *format;
	const char *word;
	enum crb_status fails;
	unsigned asked;
	bool saw_canary;
};

static enum crb_status
canned_http(void *ctx, const struct crb_http_request *request,
    struct crb_http_reply *reply, struct crb_err *err)
{
	struct canned *canned = ctx;

	canned->asked++;
	if (strstr(request->headers, CANARY) != NULL ||
	    strstr(request->target, CANARY) != NULL ||
	    memmem(request->body, request->body_len, CANARY, strlen(CANARY)) !=
		NULL)
		canned->saw_canary = true;
	*reply = (struct crb_http_reply){ .status = canned->status,
		.headers = CRB_BUF_INIT_WIPED(4096),
		.body = CRB_BUF_INIT_WIPED(CRB_HTTP_BODY_MAX) };
	if (canned->fails != CRB_OK)
		return crb_err_set(err, canned->fails, "no answer");
	for (const char *at = canned->format; *at != '\0'; at++) {
		if (strncmp(at, "%s", 2) != 0) {
			crb_buf_char(&reply->body, *at);
			continue;
		}
		crb_buf_str(&reply->body, canned->word);
		at++;
	}
	return CRB_OK;
}

static const struct crb_backend_ops *
minting_ops(const struct minting *minting)
{
	const struct crb_backend_ops *ops = NULL;
	struct crb_err err;

	assert_int_equal(crb_backend_find(minting->kind, &ops, &err), CRB_OK);
	return ops;
}

static json_t *
order_of(const struct minting *minting, bool reversed)
{
	const struct crb_backend_ops *ops = minting_ops(minting);
	CRB_AUTO_JSON json_t *params = json_of(minting->params);
	struct crb_scope scope[2] = { { 0 }, { 0 } };
	const struct crb_scope *given[2] = { &scope[reversed],
		&scope[!reversed] };
	struct crb_err err = { 0 };
	json_t *order = NULL;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(crb_scope_parse(minting->scopes[i],
				     ops->attributes, &scope[i], &err),
		    CRB_OK);
		if (ops->check_scope(params, &scope[i], &err) != CRB_OK)
			fail_msg("%s: %s", minting->scopes[i], err.msg);
	}
	if (ops->order(params, given, 2, &terms, &order, &err) != CRB_OK)
		fail_msg("%s: %s", minting->params, err.msg);
	crb_scope_clear(&scope[0]);
	crb_scope_clear(&scope[1]);
	return order;
}

static struct crb_secret *
stored_of(const struct minting *minting)
{
	const struct crb_backend_ops *ops = minting_ops(minting);
	struct crb_secret *given = secret_of(minting->given);
	struct crb_secret *stored = NULL;
	struct crb_err err = { 0 };

	if (ops->secret == NULL)
		return given;
	if (ops->secret(given, &stored, &err) != CRB_OK)
		fail_msg("%s", err.msg);
	crb_secret_free(given);
	return stored;
}

static enum crb_status
mint_by(const struct minting *minting, struct canned *canned,
    struct crb_minted *out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *params = json_of(minting->params);
	CRB_AUTO_JSON json_t *order = order_of(minting, false);
	CRB_AUTO_SECRET struct crb_secret *stored = stored_of(minting);
	const struct crb_mint_world world = { MINT_NOW, canned_http, canned };

	return minting_ops(minting)->mint(
	    &world, params, stored, order, out, err);
}

static void
who_mints_has_all_that_minting_needs(void **state)
{
	(void)state;
	for (size_t i = 0; crb_backends[i] != NULL; i++) {
		const struct crb_backend_ops *ops = crb_backends[i];
		size_t found = 0;

		assert_true(ops->mints == (ops->order != NULL));
		assert_true(ops->mints == (ops->mint != NULL));
		assert_true((ops->upstream != NULL) == (ops->sign != NULL));
		assert_true(ops->upstream == NULL || ops->mints);
		for (size_t k = 0; k < MINTINGS; k++)
			found += strcmp(mintings[k].kind, ops->kind) == 0;
		if (ops->mints && found == 0)
			fail_msg("no minting of %s is tried here", ops->kind);
	}
}

static void
an_order_is_the_same_for_the_same_grants(void **state)
{
	(void)state;
	for (size_t i = 0; i < MINTINGS; i++) {
		CRB_AUTO_JSON json_t *order = order_of(&mintings[i], false);
		CRB_AUTO_JSON json_t *again = order_of(&mintings[i], false);
		CRB_AUTO_JSON json_t *other = order_of(&mintings[i], true);
		char *text = crb_json_text(order);
		char *second = crb_json_text(again);
		char *third = crb_json_text(other);

		assert_true(json_is_object(order));
		assert_string_equal(text, second);
		assert_string_equal(text, third);
		assert_true(strlen(text) <= 16384);
		crb_json_text_free(text);
		crb_json_text_free(second);
		crb_json_text_free(third);
	}
}

static void
an_order_for_nothing_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MINTINGS; i++) {
		CRB_AUTO_JSON json_t *params = json_of(mintings[i].params);
		struct crb_err err = { 0 };
		json_t *order = NULL;

		assert_int_not_equal(
		    minting_ops(&mintings[i])
			->order(params, NULL, 0, &terms, &order, &err),
		    CRB_OK);
		assert_null(order);
	}
}

static void
what_is_minted_is_what_the_upstream_gave(void **state)
{
	(void)state;
	for (size_t i = 0; i < MINTINGS; i++) {
		struct canned canned = { .status = 200,
			.format = mintings[i].reply,
			.word = LEASED };
		size_t before = crb_slab_stats().used;
		struct crb_minted minted = { .keys = NULL };
		struct crb_err err = { 0 };

		if (mint_by(&mintings[i], &canned, &minted, &err) != CRB_OK)
			fail_msg("%s: %s", mintings[i].kind, err.msg);
		assert_int_equal(canned.asked, 1);
		assert_false(canned.saw_canary);
		assert_int_equal(minted.status, 200);
		assert_true(minted.id[0] != '\0');
		assert_true(minted.expires > MINT_NOW);
		assert_non_null(strstr(crb_secret_bytes(minted.keys), LEASED));
		assert_null(strstr(minted.id, LEASED));
		assert_null(strstr(minted.detail, LEASED));
		assert_true(crb_slab_stats().used > before);
		assert_int_equal(crb_slab_stats().spilled, 0);
		crb_minted_clear(&minted);
		assert_int_equal(crb_slab_stats().used, before);
	}
}

/* An upstream that says no, or nonsense, or repeats what it should not know. */
static void
what_goes_wrong_upstream_is_said_without_the_secret(void **state)
{
	static const unsigned statuses[] = { 200, 204, 301, 400, 403, 429, 500,
		503 };

	(void)state;
	for (size_t i = 0; i < MINTINGS; i++) {
		const char *const formats[] = { mintings[i].refusal, "", "%s",
			"<%s/>", "{\"%s\": 1}" };

		for (size_t k = 0; k < 5 * 8; k++) {
			struct canned canned = { .status = statuses[k % 8],
				.format = formats[k / 8],
				.word = CANARY };
			struct crb_minted minted = { .keys = NULL };
			struct crb_err err = { 0 };

			assert_int_not_equal(
			    mint_by(&mintings[i], &canned, &minted, &err),
			    CRB_OK);
			assert_true(err.status == CRB_ERR_UPSTREAM ||
			    err.status == CRB_ERR_LIMIT);
			assert_int_equal(minted.status, canned.status);
			assert_null(minted.keys);
			assert_null(strstr(err.msg, CANARY));
			assert_null(strstr(minted.detail, CANARY));
		}
	}
}

static void
an_upstream_that_does_not_answer_is_told_as_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < MINTINGS; i++) {
		struct canned canned = { .fails = CRB_ERR_TIMEOUT };
		struct crb_minted minted = { .keys = NULL };
		struct crb_err err = { 0 };

		assert_int_equal(mint_by(&mintings[i], &canned, &minted, &err),
		    CRB_ERR_TIMEOUT);
		assert_null(minted.keys);
		assert_int_equal(minted.status, 0);
		assert_non_null(strstr(err.msg, "no answer"));
	}
}

static void
minting_hands_back_no_memory_with_a_secret_in_it(void **state)
{
	char *planted = strdup("x" LEASED);

	(void)state;
	assert_non_null(planted);
	(void)snprintf(watch.encoded, sizeof(watch.encoded), "%s", LEASED);
	watch.armed = true;
	free(planted);
	assert_int_equal(watch.found, 1);
	for (size_t i = 0; i < MINTINGS; i++) {
		struct canned canned = { .status = 200,
			.format = mintings[i].reply,
			.word = LEASED };
		struct crb_minted minted = { .keys = NULL };
		struct crb_err err;

		watch.found = 0;
		watch.armed = true;
		assert_int_equal(
		    mint_by(&mintings[i], &canned, &minted, &err), CRB_OK);
		crb_minted_clear(&minted);
		watch.armed = false;
		assert_int_equal(watch.found, 0);
	}
}

static void
bad_input_for_a_stored_secret_is_refused_in_silence(void **state)
{
	static const char *const bad[] = { "", CANARY, CANARY "\n" CANARY,
		"{" CANARY, "{\"" CANARY "\": 1}", CANARY "=" CANARY,
		"[" CANARY "]\n" CANARY, "x," CANARY "\ny," CANARY,
		"\x01" CANARY };

	(void)state;
	for (size_t i = 0; crb_backends[i] != NULL; i++) {
		for (size_t k = 0; crb_backends[i]->secret != NULL && k < 9;
		     k++) {
			CRB_AUTO_SECRET struct crb_secret *given = secret_of(
			    bad[k]);
			struct crb_secret *stored = NULL;
			struct crb_err err = { 0 };

			if (crb_backends[i]->secret(given, &stored, &err) ==
			    CRB_OK)
				fail_msg("accepted: %s", bad[k]);
			assert_null(stored);
			assert_true(err.msg[0] != '\0');
			assert_null(strstr(err.msg, CANARY));
		}
	}
}

/* What is stored can be stored again: `credential show` | `credential set`. */
static void
a_stored_secret_is_its_own_input(void **state)
{
	(void)state;
	for (size_t i = 0; i < MINTINGS; i++) {
		const struct crb_backend_ops *ops = minting_ops(&mintings[i]);
		CRB_AUTO_SECRET struct crb_secret *stored = stored_of(
		    &mintings[i]);
		CRB_AUTO_SECRET struct crb_secret *again = NULL;
		struct crb_err err = { 0 };

		if (ops->secret == NULL)
			continue;
		assert_int_equal(ops->secret(stored, &again, &err), CRB_OK);
		assert_string_equal(
		    crb_secret_bytes(stored), crb_secret_bytes(again));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_mints_has_all_that_minting_needs),
		cmocka_unit_test(an_order_is_the_same_for_the_same_grants),
		cmocka_unit_test(an_order_for_nothing_is_refused),
		cmocka_unit_test(what_is_minted_is_what_the_upstream_gave),
		cmocka_unit_test(
		    what_goes_wrong_upstream_is_said_without_the_secret),
		cmocka_unit_test(
		    an_upstream_that_does_not_answer_is_told_as_it_is),
		cmocka_unit_test(
		    minting_hands_back_no_memory_with_a_secret_in_it),
		cmocka_unit_test(
		    bad_input_for_a_stored_secret_is_refused_in_silence),
		cmocka_unit_test(a_stored_secret_is_its_own_input),
	};
	struct crb_err err;

	if (sodium_init() < 0 || crb_slab_open(8u << 20, &err) != CRB_OK)
		return 1;
	crb_json_use_slab();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
