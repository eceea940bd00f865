#ifndef CRB_PROOF_H
#define CRB_PROOF_H

#include <stddef.h>

#include "broker/core/namespace.h"

/*
 * What comes over the admin socket and is not text.  The first byte of a
 * connection brings the descriptors that show where its client sits, and
 * nothing later brings any.  What waits is looked at before it is taken:
 * to take descriptors is to close them some time, and closing waits for as
 * long as whoever made them likes (SO_LINGER, a FUSE daemon).
 */
enum crb_proof {
	CRB_PROOF_WAIT, /* nothing has come yet */
	CRB_PROOF_GIVEN,
	CRB_PROOF_FAILED,
	CRB_PROOF_GONE, /* the connection */
};

/*
 * Judge the first byte, and take it when the proof is given.  When it failed,
 * `why` says so, and `junk` has the descriptors that came, -1 for none, which
 * are the caller's to give to crb_discard().
 */
enum crb_proof crb_proof_take(int sock, const struct crb_host *host,
    char *first, int junk[CRB_NAMESPACES], struct crb_err *why);

/*
 * Take at most `size` bytes of a connection whose proof was given.  Returns
 * their number, 0 at its end, -1 with errno as recv() does; EBADMSG means that
 * descriptors are among them, which are left where they are.
 */
ssize_t crb_proof_read(int sock, char *bytes, size_t size);

#endif /* !CRB_PROOF_H */
