#ifndef CRB_SHIM_INVENTORY_FINDINGS_H
#define CRB_SHIM_INVENTORY_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "shim/inventory_formats.h"

/* What was found: names and kinds, never a value. */

/* Changing this changes kind_table in inventory_findings.c. */
enum crb_kind {
	CRB_KIND_ENVIRONMENT,
	CRB_KIND_PROCESS,
	CRB_KIND_FILE,
	CRB_KIND_HISTORY,
	CRB_KIND_DOTENV,
	CRB_KIND_GIT,
	CRB_KIND_MOUNTED,
	CRB_KIND_SYSTEM,
	CRB_KIND_SOCKET,
	CRB_KIND_KEYRING,
	CRB_KIND_METADATA,
	CRB_KIND_COUNT,
};

#define CRB_REASON_MAX 192
#define CRB_NOTES_MAX 8

struct crb_finding {
	enum crb_kind kind;
	enum crb_severity severity;
	dev_t device; /* of a file or socket; inode 0: neither */
	ino_t inode;
	char *name; /* as it is: somebody else chose it */
	char reason[CRB_REASON_MAX];
};

/* Sorted: the worst first, then by kind and by name. */
struct crb_findings {
	struct crb_finding *at;
	size_t count;
	size_t left_out; /* beyond what is kept */
	bool only;       /* keep one kind alone: */
	enum crb_kind kind;
	/* What could not be looked at, and why; static texts. */
	const char *notes[CRB_NOTES_MAX];
	size_t note_count;
};

/* What is shown in place of a name that has the form of a secret. */
#define CRB_NAME_WITHHELD "(withheld: the name looks like a secret)"

/* The kind that a word names; false when there is none. */
bool crb_findings_kind(const char *word, enum crb_kind *kind);

bool crb_findings_wants(
    const struct crb_findings *findings, enum crb_kind kind);

/*
 * Add one; `st` may be NULL.  What was found before (the same kind and name,
 * or the same file) is not added again.  A name that has the form of a secret
 * is withheld.
 */
void crb_findings_add(struct crb_findings *findings, enum crb_kind kind,
    enum crb_severity severity, const char *name, const struct stat *st,
    const char *reason_fmt, ...) __attribute__((format(printf, 6, 7)));

/* Say once that something could not be looked at.  `note` is static. */
void crb_findings_note(struct crb_findings *findings, const char *note);

enum crb_findings_form {
	CRB_FINDINGS_LINES, /* tab-separated, for a pipe */
	CRB_FINDINGS_TABLE, /* for a terminal */
	CRB_FINDINGS_JSON,
};

/*
 * Print on `fd`.  Bytes that could steer a terminal or break a line are \xNN,
 * and so is the backslash.  False when it cannot be written.
 */
bool crb_findings_print(
    const struct crb_findings *findings, int fd, enum crb_findings_form form);

void crb_findings_clear(struct crb_findings *findings);

/* Of crb_findings_print(): what stands for a kind, and what to do about it. */
const char *crb_kind_name(enum crb_kind kind);
const char *crb_kind_remedy(enum crb_kind kind);

#endif /* !CRB_SHIM_INVENTORY_FINDINGS_H */
