#include <string.h>

#include "shim/git_lines.h"

/* Far more kinds of keys than git has. */
#define KEYS_MAX 64

struct key {
	const char *p;
	size_t len;
};

/* What has been seen of a message so far. */
struct seen {
	struct key keys[KEYS_MAX];
	size_t key_count;
	bool protocol;
	bool host;
};

bool
crb_git_lines_ended(const char *bytes, size_t len)
{
	return (len > 0 && bytes[0] == '\n') ||
	    memmem(bytes, len, "\n\n", 2) != NULL;
}

static bool
key_is(const struct key *key, const char *name)
{
	return key->len == strlen(name) && memcmp(key->p, name, key->len) == 0;
}

/* "wwwauth[]" may come again and again. */
static bool
is_list(const struct key *key)
{
	return key->len > 2 && memcmp(key->p + key->len - 2, "[]", 2) == 0;
}

/* Remember the key of a line; false when it was there before. */
static const char *
note_key(struct seen *seen, const struct key *key)
{
	if (is_list(key))
		return NULL;
	for (size_t i = 0; i < seen->key_count; i++) {
		if (seen->keys[i].len == key->len &&
		    memcmp(seen->keys[i].p, key->p, key->len) == 0)
			return "a key comes twice";
	}
	if (seen->key_count == KEYS_MAX)
		return "too many keys";
	seen->keys[seen->key_count++] = *key;
	return NULL;
}

static const char *
check_line(struct seen *seen, const char *line, size_t len)
{
	const char *equals = memchr(line, '=', len);
	struct key key;

	if (memchr(line, '\0', len) != NULL)
		return "a line has a NUL byte";
	if (memchr(line, '\r', len) != NULL)
		return "a line has a carriage return";
	if (equals == NULL)
		return "a line is not key=value";
	key = (struct key){ line, (size_t)(equals - line) };
	if (key.len == 0)
		return "a line has an empty key";
	if (key.len + 1 < len) {
		seen->protocol |= key_is(&key, "protocol");
		seen->host |= key_is(&key, "host");
	}
	return note_key(seen, &key);
}

static const char *
check_lines(struct seen *seen, const char *bytes, size_t len, size_t *used)
{
	size_t at = 0;

	while (at < len && bytes[at] != '\n') {
		const char *line = bytes + at;
		const char *end = memchr(line, '\n', len - at);
		const char *wrong;

		if (end == NULL)
			return "the last line has no end";
		wrong = check_line(seen, line, (size_t)(end - line));
		if (wrong != NULL)
			return wrong;
		at = (size_t)(end - bytes) + 1;
	}
	*used = at;
	return NULL;
}

const char *
crb_git_lines_check_question(const char *bytes, size_t len, size_t *used)
{
	struct seen seen = { 0 };
	const char *wrong = check_lines(&seen, bytes, len, used);

	if (wrong != NULL)
		return wrong;
	if (!seen.protocol)
		return "there is no protocol";
	if (!seen.host)
		return "there is no host";
	return NULL;
}

const char *
crb_git_lines_check_answer(const char *bytes, size_t len, size_t *used)
{
	struct seen seen = { 0 };

	return check_lines(&seen, bytes, len, used);
}
