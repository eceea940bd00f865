#ifndef CRB_PUSH_COMMANDS_H
#define CRB_PUSH_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/text.h"
#include "broker/bus/git_ref.h"

/*
 * The commands at the head of a push's body (gitprotocol-pack(5), "Reference
 * Update Request"), read strictly, the whole of them at once: what the core
 * decides on is what the egress sends, byte for byte.
 *
 *	[shallow OID]... OLD NEW REF NUL CAPABILITIES, OLD NEW REF..., flush
 *	the same within a push certificate
 *	[push options, flush]
 *
 * A flush alone, which git sends to see whether it may post, has no commands.
 */
#define CRB_PUSH_REFS_MAX 10000
#define CRB_PUSH_OPTIONS_MAX 1000

enum crb_change { CRB_CHANGE_CREATE, CRB_CHANGE_UPDATE, CRB_CHANGE_DELETE };
/* "create", "update", "delete"; NULL-terminated. */
extern const char *const crb_changes[];

struct crb_push_command {
	enum crb_change change;
	struct crb_slice old_id, new_id, ref; /* of the text */
};

struct crb_push_commands {
	size_t count;
	struct crb_push_command *command; /* owned */
	bool is_signed;                   /* by a push certificate */
	size_t option_count;              /* push options */
	struct crb_slice *option;         /* owned; slices of the text */
	bool report_status, side_band;
};

/* Where the commands end, which is looked for as the body comes; start with
 * zeros. */
struct crb_push_end {
	size_t len;   /* so much belongs to the commands, in whole lines */
	bool whole;   /* their end was seen: it is `len` */
	bool begun;   /* the first command was */
	bool options; /* push options follow the next flush */
};

/*
 * Look further: `text` is the body from its start, and longer each time.  Only
 * the framing is looked at, and as much of the first command as says whether
 * options follow.  CRB_ERR_INVALID: these are no commands.  CRB_ERR_TOO_LARGE:
 * they are more than `most` bytes.
 */
CRB_NODISCARD enum crb_status crb_push_commands_end(struct crb_push_end *end,
    struct crb_slice text, size_t most, struct crb_err *err);

/*
 * `text` is exactly what belongs to them, and is borrowed.  CRB_ERR_INVALID
 * says what git would not have sent; *out is untouched then.
 */
CRB_NODISCARD enum crb_status crb_push_commands_parse(
    struct crb_slice text, struct crb_push_commands *out, struct crb_err *err);
void crb_push_commands_clear(struct crb_push_commands *commands);

#define CRB_AUTO_PUSH_COMMANDS __attribute__((cleanup(crb_push_commands_clear)))

#endif /* !CRB_PUSH_COMMANDS_H */
