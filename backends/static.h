#ifndef CRB_STATIC_H
#define CRB_STATIC_H

/*
 * The "static" backend: a secret that is stored as it is, such as a personal
 * access token or a password.  It is injected into requests to its hosts and
 * never leaves the broker in any other way.
 */
struct crb_backend_ops;

extern const struct crb_backend_ops crb_backend_static;

#endif /* !CRB_STATIC_H */
