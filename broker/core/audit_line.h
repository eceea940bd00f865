#ifndef CRB_AUDIT_LINE_H
#define CRB_AUDIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct crb_audit_event;

/*
 * A line of the audit log, one JSON object in printable ASCII:
 *
 *	{"n":57,"seq":12,"time":"...","event":"...",...,
 *	 "prev":"HEX","signature":"HEX","hash":"HEX"}
 *
 * `n` counts the lines of the whole log from 1.  `seq` is the outbox's number
 * of the event; checkpoints and the lines that open a file repeat the last
 * one.  `prev` is the hash of the line before, `hash` BLAKE2b-256 of this
 * line's text up to `,"hash"`.  Only a checkpoint has a signature: Ed25519
 * (RFC 8032) of the line's text up to `,"signature"`; its key signs nothing
 * else.
 */
#define CRB_AUDIT_LINE_MAX 32768u   /* with its newline */
#define CRB_AUDIT_FIELDS_MAX 32256u /* room for the frame is left */
#define CRB_AUDIT_HASH_BYTES 32u
#define CRB_AUDIT_SIGNATURE_BYTES 64u
#define CRB_AUDIT_PUBLIC_BYTES 32u

/* Append `"time":...,"event":...`: what stands between `n` and `prev`. */
void crb_audit_line_fields(
    struct crb_buf *out, int64_t wall_ms, const struct crb_audit_event *event);

/* JSON text, quoted, at most `most` bytes of it; pure ASCII. */
void crb_audit_line_text(struct crb_buf *out, const char *text, size_t most);

/*
 * Append a whole line around `fields`, and its newline.  `seq` 0: none.
 * `secret` is the 64-byte Ed25519 key of a checkpoint, NULL otherwise.
 */
struct crb_audit_made {
	uint64_t n;
	bool has_seq;
	uint64_t seq;
	const uint8_t *prev;   /* CRB_AUDIT_HASH_BYTES */
	const uint8_t *secret; /* Ed25519 key, signs; or NULL */
};
void crb_audit_line_make(struct crb_buf *out, const struct crb_audit_made *made,
    const char *fields, size_t len, uint8_t hash[CRB_AUDIT_HASH_BYTES]);

/* What holds lines together. */
struct crb_audit_frame {
	uint64_t n;
	bool has_seq;
	uint64_t seq;
	uint8_t prev[CRB_AUDIT_HASH_BYTES];
	uint8_t hash[CRB_AUDIT_HASH_BYTES];
	bool has_signature;
	uint8_t signature[CRB_AUDIT_SIGNATURE_BYTES];
	size_t signed_len; /* of the line's text */
};

/*
 * Take a line (without newline) apart; its own hash is checked, the chain and
 * the signature are not.  CRB_ERR_CORRUPT says what is wrong.
 */
CRB_NODISCARD enum crb_status crb_audit_line_parse(const char *line, size_t len,
    struct crb_audit_frame *out, struct crb_err *err);
/*
 * A line that crb_audit_render() made: its number in the outbox, and where the
 * fields begin, which end before the last byte.  False for anything else.
 */
bool crb_audit_rendered(
    const char *line, size_t len, uint64_t *seq, const char **fields);

bool crb_audit_line_signed(const char *line,
    const struct crb_audit_frame *frame,
    const uint8_t public[CRB_AUDIT_PUBLIC_BYTES]);

#endif /* !CRB_AUDIT_LINE_H */
