#include "backends/route.h"

#include <string.h>

const char *const crb_network_choices[] = { "public", "private", "loopback",
	NULL };

static enum crb_status
check_ca(const char *ca, struct crb_err *err)
{
	if (strlen(ca) > CRB_CA_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "ca is longer than %u bytes", CRB_CA_MAX);
	if (strstr(ca, "PRIVATE KEY") != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "ca must hold certificates only, not a private key");
	if (strstr(ca, "-----BEGIN CERTIFICATE-----") == NULL)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "ca has no certificate in PEM form");
	return CRB_OK;
}

enum crb_status
crb_route_begin(const char *network, const char *ca, struct crb_route *out,
    struct crb_err *err)
{
	struct crb_route route = { .ca = ca };
	enum crb_status status;

	if (ca != NULL && (status = check_ca(ca, err)) != CRB_OK)
		return status;
	while (strcmp(network, crb_network_choices[route.network]) != 0)
		route.network++;
	*out = route;
	return CRB_OK;
}

/* Two origins that are written alike in a URL could not be told apart. */
static bool
origins_alike(const struct crb_origin *a, const struct crb_origin *b)
{
	CRB_AUTO_BUF struct crb_buf left = CRB_BUF_INIT(300);
	CRB_AUTO_BUF struct crb_buf right = CRB_BUF_INIT(300);

	crb_origin_authority(a, &left);
	crb_origin_authority(b, &right);
	return strcmp(crb_buf_text(&left), crb_buf_text(&right)) == 0;
}

enum crb_status
crb_route_add(struct crb_route *route, const char *text, struct crb_err *err)
{
	struct crb_origin *origin = &route->origin[route->count];
	enum crb_status status;

	if ((status = crb_origin_parse(text, origin, err)) != CRB_OK)
		return status;
	if (!origin->tls && route->network != CRB_NETWORK_LOOPBACK)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "http:// would send the secret in the clear; it is "
		    "allowed with network=loopback only");
	for (size_t i = 0; i < route->count; i++) {
		if (origins_alike(&route->origin[i], origin))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the same host as item %zu", i + 1);
	}
	route->count++;
	return CRB_OK;
}
