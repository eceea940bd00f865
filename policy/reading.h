#ifndef CRB_READING_H
#define CRB_READING_H

/* Reading a policy's members, for the files of this folder that do. */

#include "policy/impl.h"
#include "policy/reader.h"

struct crb_reading {
	struct crb_reader reader;
	struct crb_policy *policy; /* whose arena is used */
	const struct crb_zones *zones;
};

crb_read_member crb_read_ignored, crb_read_text, crb_read_name, crb_read_word,
    crb_read_choice, crb_read_number, crb_read_time, crb_read_flag,
    crb_read_zone, crb_read_days, crb_read_hours, crb_read_values,
    crb_read_labels, crb_read_scope, crb_read_limits;

/* An object by its table, into `out`. */
enum crb_status crb_read_object(struct crb_reading *reading,
    const struct crb_policy_member *members, void *out, struct crb_err *err);

/* A list of texts, of which `add` takes one. */
enum crb_status crb_read_texts(struct crb_reading *reading,
    enum crb_status (*add)(struct crb_reading *reading, const char *text,
	void *out, struct crb_err *err),
    void *out, struct crb_err *err);

#define CRB_READ_NAME_BYTES 64u
#define CRB_READ_VALUE_BYTES (CRB_GLOB_MAX - 1u)

/* Where the member's value goes. */
void *crb_reading_place(const struct crb_policy_member *member, void *out);

/* `"value" why`, with the place in front. */
enum crb_status crb_reading_invalid(struct crb_reading *reading,
    const char *value, const char *why, struct crb_err *err);
/* `unknown what "given"; did you mean ...?` */
enum crb_status crb_reading_unknown(struct crb_reading *reading,
    const char *what, const char *given, const char *const *known, size_t count,
    struct crb_err *err);
/* What somebody else has said, with the place in front. */
enum crb_status crb_reading_here(
    struct crb_reading *reading, struct crb_err *err);
enum crb_status crb_reading_no_memory(struct crb_err *err);

#endif /* !CRB_READING_H */
