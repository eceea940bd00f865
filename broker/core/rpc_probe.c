#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/core/credential.h"
#include "broker/core/rpc.h"

/* Each holds a call and up to CRB_ORIGINS_MAX probes in the egress. */
#define TESTS_MAX 4

/* A credential whose origins are being tried, without its secret. */
struct test {
	struct crb_call *call;
	struct crb_core *core;
	size_t waiting; /* probes; 1 more while they are being sent */
	bool reachable;
	int64_t slowest;
	json_t *origins;
	char detail[CRB_ERR_MSG_MAX]; /* of the first that failed */
};

/* One of its origins. */
struct probe {
	struct test *test;
	json_t *origin; /* borrowed from test->origins */
};

static void
test_end(struct test *test)
{
	struct crb_call *call = test->call;
	json_t *result = json_pack("{s:b, s:s, s:I, s:O}", "reachable",
	    test->reachable, "detail",
	    test->reachable ? "every origin can be reached" : test->detail,
	    "milliseconds", (json_int_t)test->slowest, "origins",
	    test->origins);

	test->core->testing--;
	json_decref(test->origins);
	free(test);
	crb_call_reply(call, result);
}

static void
came(struct probe *probe, bool ok, const char *detail, int64_t ms)
{
	struct test *test = probe->test;

	(void)json_object_set_new(probe->origin, "reachable", json_boolean(ok));
	(void)json_object_set_new(probe->origin, "detail", json_string(detail));
	(void)json_object_set_new(
	    probe->origin, "milliseconds", json_integer(ms));
	if (!ok && test->reachable)
		(void)snprintf(
		    test->detail, sizeof(test->detail), "%s", detail);
	test->reachable = test->reachable && ok;
	if (ms > test->slowest)
		test->slowest = ms;
	free(probe);
	if (--test->waiting == 0)
		test_end(test);
}

static void
probed(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	char detail[CRB_ERR_MSG_MAX];

	if (msg == NULL) {
		came(ctx, false, why->msg, 0);
		return;
	}
	(void)snprintf(detail, sizeof(detail), "%.*s",
	    (int)msg->probed.detail.len, msg->probed.detail.p);
	came(ctx, msg->probed.ok != 0, detail, msg->probed.ms);
}

static enum crb_status
send_probe(struct probe *probe, const struct crb_credential *credential,
    const struct crb_origin *origin, struct crb_err *err)
{
	struct crb_core *core = probe->test->core;
	const char *ca = credential->route.ca != NULL ? credential->route.ca
						      : core->ca;
	const char *proxy = core->config.proxy;
	struct crb_msg_probe msg = {
		.tls = origin->tls,
		.host = CRB_SLICE(origin->host),
		.port = (uint16_t)origin->port,
		.network = (uint8_t)credential->route.network,
		.ca = CRB_SLICE(ca != NULL ? ca : ""),
		.proxy = CRB_SLICE(proxy != NULL ? proxy : ""),
	};

	return crb_link_request(&core->egress, CRB_MSG_PROBE, &msg,
	    &msg.request, probed, probe, err);
}

static void
try_origin(struct test *test, const struct crb_credential *credential,
    const struct crb_origin *origin)
{
	struct probe *probe = malloc(sizeof(*probe));
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(300);
	struct crb_err err;

	/* Reported as what it is: an origin that nothing is known of. */
	if (probe == NULL) {
		test->reachable = false;
		return;
	}
	crb_buf_str(&text, origin->tls ? "https://" : "http://");
	crb_origin_authority(origin, &text);
	*probe = (struct probe){ test,
		json_pack("{s:s}", "origin", crb_buf_text(&text)) };
	(void)json_array_append_new(test->origins, probe->origin);
	test->waiting++;
	if (send_probe(probe, credential, origin, &err) != CRB_OK)
		came(probe, false, err.msg, 0);
}

/* It may have been changed, removed or locked away in the meantime. */
static void
recorded(void *ctx, const struct crb_err *why)
{
	struct test *test = ctx;
	struct crb_call *call = test->call;
	struct crb_credential *credential;
	const char *name;
	struct crb_err err;

	crb_core_committed(test->core, why);
	if (why != NULL)
		err = *why;
	if (why != NULL ||
	    crb_call_need_text(call, "name", &name, &err) != CRB_OK ||
	    crb_credential_find(
		&test->core->credentials, name, &credential, &err) != CRB_OK) {
		test->core->testing--;
		json_decref(test->origins);
		free(test);
		crb_call_fail(call, &err);
		return;
	}
	test->waiting = 1;
	for (size_t i = 0; i < credential->route.count; i++)
		try_origin(test, credential, &credential->route.origin[i]);
	if (--test->waiting == 0)
		test_end(test);
}

static enum crb_status
check(struct crb_call *call, const char **name, struct crb_err *err)
{
	struct crb_credential *credential;

	if (crb_call_need_text(call, "name", name, err) != CRB_OK ||
	    crb_credential_find(
		&call->core->credentials, *name, &credential, err) != CRB_OK ||
	    crb_core_need_record(call->core, err) != CRB_OK)
		return err->status;
	if (call->core->testing >= TESTS_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%d credentials are being tested already; try again",
		    TESTS_MAX);
	return CRB_OK;
}

static enum crb_status
record(struct test *test, const char *name, struct crb_err *err)
{
	struct crb_commit *commit = test->core->commit;
	const struct crb_audit_event event = {
		.event = test->call->method->name,
		.who = test->call->who,
		.credential = name,
		.decision = "allow",
		.outcome = "ok",
	};

	if (crb_commit_event(commit, &event, err) != CRB_OK)
		return err->status;
	return crb_commit_then(commit, recorded, test, err);
}

static enum crb_status
begin(struct crb_call *call, struct crb_err *err)
{
	CRB_AUTO_FREE struct test *test = calloc(1, sizeof(*test));
	const char *name;

	if (test == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (check(call, &name, err) != CRB_OK)
		return err->status;
	*test = (struct test){ .call = call,
		.core = call->core,
		.reachable = true,
		.origins = json_array() };
	if (record(test, name, err) != CRB_OK) {
		json_decref(test->origins);
		return err->status;
	}
	call->core->testing++;
	test = NULL;
	return CRB_OK;
}

void
crb_rpc_credential_test(struct crb_call *call)
{
	struct crb_err err;

	if (begin(call, &err) != CRB_OK)
		crb_call_fail(call, &err);
}
