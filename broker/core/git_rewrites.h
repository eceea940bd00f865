#ifndef CRB_GIT_REWRITES_H
#define CRB_GIT_REWRITES_H

#include "backends/backend.h"
#include "base/err.h"

/*
 * How the sandbox's git is sent to the gateway: url.BASE.insteadOf = PREFIX
 * (git-config(1)), several prefixes a base.
 */
typedef enum crb_status crb_git_rewrite_fn(
    void *ctx, const char *base, const char *prefix, struct crb_err *err);

/*
 * Call `emit` with each pair for the URLs of `origin`; strings are valid during
 * the call only.  `endpoint` is "http://127.0.0.1:9169".  The forms of ssh are
 * emitted for TLS on its default port, where HOST alone names the origin.  A
 * host without a dot gets no "HOST:" of its own: "git:", "ssh:" or "file:"
 * would be the start of other hosts' URLs.
 */
CRB_NODISCARD enum crb_status crb_git_rewrites(const char *endpoint,
    const struct crb_origin *origin, crb_git_rewrite_fn *emit, void *ctx,
    struct crb_err *err);

#endif /* !CRB_GIT_REWRITES_H */
