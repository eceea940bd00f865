#ifndef CRB_POLICY_MARK_H
#define CRB_POLICY_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

/*
 * What a vault remembers of policies, in its one record of kind
 * CRB_KIND_POLICY: the organization's key that is sealed in it, when one is,
 * and the highest serial that was ever in force under a pinned key.
 */
#define CRB_POLICY_PIN_MAX 128
#define CRB_POLICY_HASH_TEXT 65
#define CRB_POLICY_KEY_TEXT 17

struct crb_policy_mark {
	char pin[CRB_POLICY_PIN_MAX];      /* the key's line, "RW..."; or "" */
	int64_t serial;                    /* 0: none yet */
	char sha256[CRB_POLICY_HASH_TEXT]; /* of that policy, hexadecimal */
	char key[CRB_POLICY_KEY_TEXT];     /* the id of the key */
};

/* NULL without memory. */
json_t *crb_policy_mark_json(const struct crb_policy_mark *mark);
CRB_NODISCARD enum crb_status crb_policy_mark_parse(const char *text,
    size_t len, struct crb_policy_mark *out, struct crb_err *err);

#endif /* !CRB_POLICY_MARK_H */
