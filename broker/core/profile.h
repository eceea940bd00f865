#ifndef CRB_PROFILE_H
#define CRB_PROFILE_H

#include <jansson.h>

#include "broker/core/credential.h"
#include "broker/core/map.h"

/* A profile: a named list of grants, labels and a time to live. */
struct crb_profile {
	struct crb_record_id record;
	char name[CRB_NAME_MAX + 1];
	json_t *grants; /* texts, canonical */
	json_t *labels; /* an object */
	json_t *mounts; /* [{source, target, read_only}], maybe empty */
	int64_t ttl;    /* seconds; 0: the default */
	int64_t created;
	bool busy;
};

/* `grants` and `labels` are borrowed and were checked.  No mounts. */
CRB_NODISCARD enum crb_status crb_profile_new(const char *name, json_t *grants,
    json_t *labels, int64_t ttl, struct crb_profile **out, struct crb_err *err);
void crb_profile_free(struct crb_profile *profile);

json_t *crb_profile_record(const struct crb_profile *profile);
CRB_NODISCARD enum crb_status crb_profile_load(const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_profile **out,
    struct crb_err *err);
json_t *crb_profile_shown(const struct crb_profile *profile);
CRB_NODISCARD enum crb_status crb_profile_find(const struct crb_map *map,
    const char *name, struct crb_profile **out, struct crb_err *err);

#endif /* !CRB_PROFILE_H */
