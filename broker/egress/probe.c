#include "broker/egress/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "broker/egress/client.h"
#include "broker/egress/request.h"

struct probe {
	LIST_ENTRY(probe) link;
	uint32_t number;
	int64_t since;
	struct crb_request request;
};

struct crb_probes {
	struct crb_probes_options options;
	struct crb_client *client;
	LIST_HEAD(, probe) list;
	size_t count;
};

static void
probe_free(struct probe *probe)
{
	crb_request_clear(&probe->request);
	free(probe);
}

#define AUTO_PROBE __attribute__((cleanup(probe_cleanup)))
static void
probe_cleanup(struct probe **probe)
{
	if (*probe != NULL)
		probe_free(*probe);
}

#define AUTO_PROBES __attribute__((cleanup(probes_cleanup)))
static void
probes_cleanup(struct crb_probes **probes)
{
	crb_probes_free(*probes);
}

static void
report(const struct crb_probes *probes, uint32_t number, int64_t ms, bool ok,
    const char *detail)
{
	const struct crb_msg_probed probed = {
		.request = number,
		.ok = ok,
		.ms = (uint32_t)ms,
		.detail = { detail, strlen(detail) },
	};

	probes->options.probed(probes->options.ctx, &probed);
}

/* "192.0.2.1, TLS with a trusted certificate" */
static void
describe(const struct probe *probe, char out[128])
{
	const struct crb_request *request = &probe->request;
	const char *address = NULL;

	(void)curl_easy_getinfo(request->easy, CURLINFO_PRIMARY_IP, &address);
	(void)snprintf(out, 128, "%s%s, %s",
	    request->proxied ? "through the proxy at " : "",
	    address != NULL && address[0] != '\0' ? address : "connected",
	    request->tls ? "TLS with a trusted certificate" : "clear text");
}

static struct probe *
probe_of(CURL *easy)
{
	struct probe *probe = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &probe);
	return probe;
}

static void
ended(void *ctx, CURL *easy, CURLcode code)
{
	struct crb_probes *probes = ctx;
	struct probe *probe = probe_of(easy);
	int64_t ms = crb_loop_now(probes->options.loop) - probe->since;
	char detail[128];
	struct crb_err err;

	if (code == CURLE_OK) {
		describe(probe, detail);
		report(probes, probe->number, ms, true, detail);
	} else if (crb_request_failure(&probe->request, code, &err) != CRB_OK) {
		report(probes, probe->number, ms, false, err.msg);
	}
	LIST_REMOVE(probe, link);
	probes->count--;
	probe_free(probe);
}

static void
settled(void *ctx)
{
	(void)ctx;
}

static enum crb_status
start(struct crb_probes *probes, const struct crb_msg_probe *msg,
    struct crb_err *err)
{
	static const struct crb_request_limits limits = {
		.connect_ms = CRB_PROBE_MS
	};
	AUTO_PROBE struct probe *probe = NULL;

	if (probes->count >= CRB_PROBES_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "too many upstreams are being tried; try again");
	if ((probe = calloc(1, sizeof(*probe))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory for a probe");
	probe->number = msg->request;
	probe->since = crb_loop_now(probes->options.loop);
	if (crb_request_init_probe(&probe->request, msg, probes->options.trust,
		&limits, err) != CRB_OK)
		return err->status;
	if (curl_easy_setopt(probe->request.easy, CURLOPT_PRIVATE, probe) !=
	    CURLE_OK)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libcurl does not take its options");
	if (crb_client_add(probes->client, probe->request.easy, err) != CRB_OK)
		return err->status;
	probes->count++;
	LIST_INSERT_HEAD(&probes->list, probe, link);
	probe = NULL;
	return CRB_OK;
}

void
crb_probes_start(struct crb_probes *probes, const struct crb_msg_probe *msg)
{
	struct crb_err err;

	if (start(probes, msg, &err) != CRB_OK)
		report(probes, msg->request, 0, false, err.msg);
}

enum crb_status
crb_probes_new(const struct crb_probes_options *options,
    struct crb_probes **out, struct crb_err *err)
{
	AUTO_PROBES struct crb_probes *probes = calloc(1, sizeof(*probes));

	if (probes == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	probes->options = *options;
	LIST_INIT(&probes->list);
	if (crb_client_new(&(struct crb_client_options){ .loop = options->loop,
			       .done = ended,
			       .settled = settled,
			       .ctx = probes },
		&probes->client, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(probes);
	return CRB_OK;
}

void
crb_probes_free(struct crb_probes *probes)
{
	struct probe *probe;

	if (probes == NULL)
		return;
	while ((probe = LIST_FIRST(&probes->list)) != NULL) {
		LIST_REMOVE(probe, link);
		crb_client_remove(probes->client, probe->request.easy);
		probe_free(probe);
	}
	crb_client_free(probes->client);
	free(probes);
}
