#ifndef CRB_POLICY_PLACE_H
#define CRB_POLICY_PLACE_H

#include "base/buf.h"
#include "base/path.h"

/*
 * A file that is put in place, and what stood there before, so that it can be
 * put back.  Starts as all zeros.
 */
struct crb_placed {
	char path[CRB_PATH_MAX];
	bool changed;
	bool was; /* there was one */
	struct crb_buf former;
};
void crb_placed_clear(struct crb_placed *placed);

/*
 * In one step, with its folder when that is missing; NULL bytes: no file is to
 * be there.
 */
CRB_NODISCARD enum crb_status crb_placed_put(struct crb_placed *placed,
    const char *path, const struct crb_buf *bytes, struct crb_err *err);
/* As it was. */
CRB_NODISCARD enum crb_status crb_placed_undo(
    struct crb_placed *placed, struct crb_err *err);

#define CRB_AUTO_PLACED __attribute__((cleanup(crb_placed_clear)))

#endif /* !CRB_POLICY_PLACE_H */
