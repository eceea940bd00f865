#ifndef CRB_UNIT_AUDIT_H
#define CRB_UNIT_AUDIT_H

/* What the tests of the audit log and of the commits share. */
#include "base/io.h"
#include "broker/core/audit.h"
#include "tests/unit/vault.h"

static inline struct crb_key *
unit_key(uint8_t first)
{
	uint8_t bytes[CRB_KEY_BYTES] = { first };
	struct crb_key *key = NULL;
	struct crb_err err;

	assert_ok(crb_key_take(bytes, &key, &err));
	return key;
}

static inline enum crb_status
unit_audit_try(const char *folder, struct crb_loop *loop,
    struct crb_audit **out, struct crb_err *err)
{
	CRB_AUTO_KEY struct crb_key *key = unit_key(1);

	return crb_audit_open(folder, key, loop, out, err);
}

static inline struct crb_audit *
unit_audit_open(const char *folder, struct crb_loop *loop)
{
	struct crb_audit *audit = NULL;
	struct crb_err err;

	assert_ok(unit_audit_try(folder, loop, &audit, &err));
	return audit;
}

static inline struct crb_audit_verdict
unit_audit_verify(const char *folder)
{
	struct crb_audit_verdict verdict = { 0 };
	struct crb_err err;

	assert_ok(crb_audit_verify(folder, NULL, &verdict, &err));
	return verdict;
}

/* A file's text; borrowed until the next call. */
static inline char *
unit_text(const char *path)
{
	static char text[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[len] = '\0';
	return text;
}

static inline unsigned
unit_count(const char *text, const char *what)
{
	unsigned count = 0;

	while ((text = strstr(text, what)) != NULL) {
		count++;
		text += strlen(what);
	}
	return count;
}

#endif /* !CRB_UNIT_AUDIT_H */
