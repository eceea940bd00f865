#ifndef CRB_UNIT_H
#define CRB_UNIT_H

/* What the unit tests share: cmocka's includes, and a few words of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"

/* A `struct crb_err err` is in scope. */
#define assert_ok(call)                                     \
	do {                                                \
		if ((call) != CRB_OK)                       \
			fail_msg("%s: %s", #call, err.msg); \
	} while (0)
#define assert_fails(call, with)                      \
	do {                                          \
		assert_int_equal((call), (with));     \
		assert_int_equal(err.status, (with)); \
	} while (0)
#define assert_says(text) assert_non_null(strstr(err.msg, (text)))

static inline void
slice_equal(struct crb_slice slice, const char *text)
{
	if (!crb_slice_is(slice, text))
		fail_msg(
		    "\"%.*s\" is not \"%s\"", (int)slice.len, slice.p, text);
}

/* A folder of the test's own, 0700. */
#define UNIT_FOLDER_MAX 64

static inline void
unit_folder_make(char out[UNIT_FOLDER_MAX])
{
	(void)snprintf(out, UNIT_FOLDER_MAX, "/tmp/crb-unit-XXXXXX");
	assert_non_null(mkdtemp(out));
}

static inline int
unit_remove_one(
    const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline void
unit_folder_remove(const char *path)
{
	(void)nftw(path, unit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif /* !CRB_UNIT_H */
