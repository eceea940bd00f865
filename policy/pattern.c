#include "policy/pattern.h"

#include <string.h>

/* A segment starts at a pointer into the text and ends before a separator. */
static size_t
segment_len(const char *segment, char separator)
{
	const char *end = strchr(segment, separator);

	return end != NULL ? (size_t)(end - segment) : strlen(segment);
}

/* The segment behind this one, or NULL. */
static const char *
segment_next(const char *segment, char separator)
{
	const char *end = strchr(segment, separator);

	return end != NULL ? end + 1 : NULL;
}

static bool
segment_is_any(const char *segment, char separator)
{
	return segment_len(segment, separator) == 2 &&
	    strncmp(segment, "**", 2) == 0;
}

/*
 * One segment against one without "**".  Only the last "*" passed can have to
 * take more, so one place to go back to is enough.
 */
static bool
segment_match(const char *pattern, const char *name, char separator)
{
	const char *pattern_end = pattern + segment_len(pattern, separator);
	const char *name_end = name + segment_len(name, separator);
	const char *star = NULL;
	const char *taken = NULL;

	while (name < name_end) {
		if (pattern < pattern_end && *pattern == '*') {
			star = ++pattern;
			taken = name;
		} else if (pattern < pattern_end && *pattern == *name) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star;
			name = ++taken;
		} else {
			return false;
		}
	}
	while (pattern < pattern_end && *pattern == '*')
		pattern++;
	return pattern == pattern_end;
}

static bool
has_empty_segment(const char *text, char separator)
{
	for (; text != NULL; text = segment_next(text, separator)) {
		if (segment_len(text, separator) == 0)
			return true;
	}
	return false;
}

static enum crb_status
check_segment(const char *segment, size_t len, struct crb_err *err)
{
	if (len == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a pattern must not have an empty segment");
	if (memmem(segment, len, "**", 2) != NULL && len != 2)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "\"**\" must be a whole segment of the pattern");
	for (size_t i = 0; i < len; i++) {
		if (segment[i] <= ' ' || segment[i] > '~')
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a pattern must be printable ASCII without "
			    "spaces");
	}
	return CRB_OK;
}

enum crb_status
crb_pattern_check(const char *pattern, char separator, struct crb_err *err)
{
	enum crb_status status;

	if (*pattern == '\0')
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a pattern must not be empty");
	if (strlen(pattern) > CRB_PATTERN_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a pattern is longer than %d bytes", CRB_PATTERN_MAX);
	for (const char *at = pattern; at != NULL;
	     at = segment_next(at, separator)) {
		status = check_segment(at, segment_len(at, separator), err);
		if (status != CRB_OK)
			return status;
	}
	return CRB_OK;
}

/* The same way of going back as within a segment, for "**" over segments. */
bool
crb_pattern_match(const char *pattern, const char *name, char separator)
{
	const char *star = NULL;
	const char *taken = NULL;

	if (strchr(name, '*') != NULL || has_empty_segment(name, separator) ||
	    has_empty_segment(pattern, separator))
		return false;
	while (name != NULL) {
		if (pattern != NULL && segment_is_any(pattern, separator)) {
			star = pattern = segment_next(pattern, separator);
			taken = name = segment_next(name, separator);
		} else if (pattern != NULL &&
		    segment_match(pattern, name, separator)) {
			pattern = segment_next(pattern, separator);
			name = segment_next(name, separator);
		} else if (taken != NULL) {
			pattern = star;
			taken = name = segment_next(taken, separator);
		} else {
			return false;
		}
	}
	return pattern == NULL;
}
