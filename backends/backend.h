#ifndef CRB_BACKEND_H
#define CRB_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/options.h"
#include "base/secret.h"
#include "policy/scope.h"

/*
 * Backends: how a usable credential is obtained from a stored one.  The tables
 * are read by the core and by the command line; inject() runs in the egress.
 * Everything here is straight-line code without globals.
 */

/* Where a credential may be sent: an exact host, a port, TLS or not. */
struct crb_origin {
	bool tls;
	char host[256]; /* lower case, no trailing dot */
	unsigned port;
};

/* Which addresses an upstream host may resolve to. */
enum crb_network {
	CRB_NETWORK_PUBLIC,
	CRB_NETWORK_PRIVATE,  /* public and private, never loopback */
	CRB_NETWORK_LOOPBACK, /* loopback only */
};

/* How the secret goes into a request: one header, or one query parameter. */
struct crb_injection {
	char name[64];
	bool query;
	struct crb_secret *value; /* owned; the header's value, encoded */
};
void crb_injection_clear(struct crb_injection *injection);

#define CRB_ORIGINS_MAX 16
#define CRB_CA_MAX (64u << 10)

/* What the parameters of an entry come to, for those who route requests. */
struct crb_route {
	size_t count;
	struct crb_origin origin[CRB_ORIGINS_MAX];
	enum crb_network network;
	const char *ca; /* PEM, borrowed from the parameters; or NULL */
};

struct crb_backend_ops {
	const char *kind;    /* "static" */
	const char *summary; /* a line for `backend list` */
	const char *form;    /* "token" */
	bool mints;          /* false: can only be injected */
	const struct crb_option *params;
	const struct crb_attribute *attributes;

	/* The parameters are sound, beyond what their table says. */
	enum crb_status (*check)(const json_t *params, struct crb_err *err);

	/* Where requests may go. */
	enum crb_status (*route)(
	    const json_t *params, struct crb_route *out, struct crb_err *err);

	/* What to add to a request.  The caller clears *out. */
	enum crb_status (*inject)(const json_t *params,
	    const struct crb_secret *secret, struct crb_injection *out,
	    struct crb_err *err);
};

/* NULL-terminated.  A kind that is not in it is an error, never a default. */
extern const struct crb_backend_ops *const crb_backends[];

/* CRB_ERR_NOT_FOUND names the known kinds. */
CRB_NODISCARD enum crb_status crb_backend_find(
    const char *kind, const struct crb_backend_ops **out, struct crb_err *err);

/* "HOST[:PORT]", "http://HOST[:PORT]"; default ports 443 and 80. */
CRB_NODISCARD enum crb_status crb_origin_parse(
    const char *text, struct crb_origin *out, struct crb_err *err);
/* "github.com", "localhost:8443": as it stands behind /git/ and in URLs. */
void crb_origin_authority(const struct crb_origin *origin, struct crb_buf *out);

/*
 * Presets: parameters of well-known services, so that nobody writes hosts and
 * headers by hand.
 */
struct crb_preset {
	const char *name; /* "github" */
	const char *kind;
	const char *params; /* JSON */
	const char *secret; /* what to ask for */
	const char *summary;
};
extern const struct crb_preset crb_presets[]; /* ends with name NULL */

#endif /* !CRB_BACKEND_H */
