#ifndef CRB_ATTRIBUTE_H
#define CRB_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "policy/glob.h"

/*
 * What a rule of a policy can be about, each in a row: the attributes of a
 * scope, and the facts of a session.  A policy is written without knowing which
 * credentials there are, so these are the language's own; a backend's attribute
 * of the same name is what they are held against.
 */

/* Whether letter case tells things apart. */
enum crb_letters {
	CRB_LETTERS_EXACT,
	CRB_LETTERS_FOLD,
	/*
	 * Some upstreams fold and some do not: deny and ask match in any case,
	 * so that neither is passed by in another; allow matches exactly.  Both
	 * fold where a question says that this upstream does.
	 */
	CRB_LETTERS_DOUBT,
};

/* Which requests have an attribute. */
#define CRB_FAMILY_GIT 1u
#define CRB_FAMILY_HTTP 2u
#define CRB_FAMILY_AWS 4u

struct crb_policy_attribute {
	const char *name;
	enum crb_glob_style style;
	char separator; /* ':' in texts, for the index only */
	enum crb_letters letters;
	unsigned families;
	const char *const *choices; /* NULL-terminated; or NULL: patterns */
	/* Characters of which none, or nothing else, is ever in a name. */
	const char *never, *only;
	const char *besides; /* what may stand beside a name; or NULL */
	size_t most;         /* characters of a name; 0: CRB_GLOB_MAX - 1 */
	const char *starts;  /* all that there is starts so; or NULL */
	const char *has;     /* all that there is has it; or NULL */
	const char *strip;   /* an ending that says nothing; or NULL */
	const char *help;
};

#define CRB_POLICY_ATTRIBUTES 11
extern const struct crb_policy_attribute
    crb_policy_attributes[CRB_POLICY_ATTRIBUTES];

enum crb_policy_fact {
	CRB_FACT_CREDENTIAL,
	CRB_FACT_USER,
	CRB_FACT_GROUP,
	CRB_FACT_TASK,
	CRB_FACT_LABEL,
	CRB_FACT_DELIVERY,
};
extern const struct crb_policy_attribute crb_policy_facts[];

/* Its place in crb_policy_attributes, or CRB_POLICY_ATTRIBUTES. */
size_t crb_policy_attribute_find(const char *name);

/*
 * A value in a rule is one of the choices, or a pattern that something can
 * match.  An error says what is wrong with it, with the value, escaped.
 */
CRB_NODISCARD enum crb_status crb_policy_value_check(
    const struct crb_policy_attribute *attribute, const char *value,
    struct crb_err *err);

/*
 * In the one spelling of `paths` this is "%" and two digits or capitals, and
 * nothing else is.  A "/" is that when it is none between segments.
 */
bool crb_path_escapes(unsigned char c);

#endif /* !CRB_ATTRIBUTE_H */
