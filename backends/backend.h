#ifndef CRB_BACKEND_H
#define CRB_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* For whom and for how long a lease is to be minted. */
struct crb_mint_terms {
	const char *task;
	const char *session;
	int64_t seconds; /* that the session still has */
};

/* One HTTP request of mint(): straight-line, bounded in time and size. */
struct crb_http_request {
	const char *method;
	const struct crb_origin *origin;
	const char *target;  /* path and query, as they are sent */
	const char *headers; /* "name: value\n" lines; Host is added */
	const void *body;
	size_t body_len;
};
#define CRB_HTTP_BODY_MAX (256u << 10)
struct crb_http_reply {
	unsigned status;
	struct crb_buf headers; /* "name: value\n", names in lower case */
	struct crb_buf body;    /* both the caller's to clear; wiped */
};

/* What mint() has of the world. */
struct crb_mint_world {
	int64_t now; /* wall seconds */
	/*
	 * Any answer is CRB_OK, whatever its status; otherwise why there was
	 * none (CRB_ERR_UPSTREAM, CRB_ERR_TIMEOUT).
	 */
	enum crb_status (*http)(void *ctx,
	    const struct crb_http_request *request,
	    struct crb_http_reply *reply, struct crb_err *err);
	void *ctx;
};

/* What mint() yields; the caller clears it. */
struct crb_minted {
	struct crb_secret *keys; /* in the form's own text */
	int64_t expires;         /* wall seconds */
	char id[129];            /* as it is known upstream; no secret */
	char detail[257];        /* what there is to say; no secret */
	unsigned status;         /* upstream's last; also on failure; 0: none */
};
void crb_minted_clear(struct crb_minted *minted);

/* A request that is to be signed, as it will be sent. */
struct crb_sign_request {
	const char *method;
	const char *host;    /* as in the Host header */
	const char *target;  /* path and query */
	const char *service; /* "s3" */
	const char *region;
	const char *payload; /* the value of x-amz-content-sha256 */
	const char *headers; /* "name: value\n", lower case: signed, too */
	int64_t now;         /* wall seconds */
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

	/*
	 * The secret as it is stored, of what was typed or piped in; NULL: as
	 * it is.
	 */
	enum crb_status (*secret)(const struct crb_secret *given,
	    struct crb_secret **out, struct crb_err *err);

	/* What the table cannot say of a scope; NULL: nothing. */
	enum crb_status (*check_scope)(const json_t *params,
	    const struct crb_scope *scope, struct crb_err *err);

	/*
	 * Of a backend that mints.  order(): what is to be asked of the
	 * upstream for all scopes that a session has of a credential, told in
	 * full and in public; pure, deterministic.  mint(): ask it; in any
	 * thread.  It does not repeat itself: CRB_ERR_LIMIT says that the
	 * upstream is asked too often, and after that, after a status from 500
	 * on, or when there was no answer, it is called again a moment later.
	 */
	enum crb_status (*order)(const json_t *params,
	    const struct crb_scope *const *scopes, size_t count,
	    const struct crb_mint_terms *terms, json_t **out,
	    struct crb_err *err);
	enum crb_status (*mint)(const struct crb_mint_world *world,
	    const json_t *params, const struct crb_secret *secret,
	    const json_t *order, struct crb_minted *out, struct crb_err *err);

	/*
	 * Of a backend that mints and injects: where a request goes that its
	 * client signed for a service and a region, and the headers that sign
	 * it with a lease's keys ("name: value\n" lines; a secret).
	 */
	enum crb_status (*upstream)(const json_t *params, const char *service,
	    const char *region, struct crb_origin *out, struct crb_err *err);
	enum crb_status (*sign)(const struct crb_secret *keys,
	    const struct crb_sign_request *request, struct crb_buf *out,
	    struct crb_err *err);

	/*
	 * What to add to a request; NULL: it is signed.  The caller clears
	 * *out.
	 */
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
