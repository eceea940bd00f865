#include "broker/gateway/location.h"

#include <string.h>

struct origin {
	struct crb_slice scheme;
	struct crb_slice authority;
	struct crb_slice rest; /* what follows, from "/" or "?" on */
};

static bool
split(struct crb_slice url, struct origin *out)
{
	const char *colon = url.len > 0 ? memchr(url.p, ':', url.len) : NULL;
	size_t scheme = colon != NULL ? (size_t)(colon - url.p) : 0;
	size_t start = scheme + 3, end;

	if (colon == NULL || url.len < start || memcmp(colon, "://", 3) != 0)
		return false;
	for (end = start; end < url.len; end++) {
		if (strchr("/?#", url.p[end]) != NULL)
			break;
	}
	out->scheme = (struct crb_slice){ url.p, scheme };
	out->authority = (struct crb_slice){ url.p + start, end - start };
	out->rest = (struct crb_slice){ url.p + end, url.len - end };
	return out->authority.len > 0;
}

/* ":443" says nothing new behind https. */
static struct crb_slice
without_port(const struct origin *origin)
{
	struct crb_slice authority = origin->authority;

	if (crb_slice_is_nocase(origin->scheme, "https") &&
	    crb_slice_ends(authority, ":443"))
		authority.len -= 4;
	else if (crb_slice_is_nocase(origin->scheme, "http") &&
	    crb_slice_ends(authority, ":80"))
		authority.len -= 3;
	return authority;
}

static bool
same(struct crb_slice a, struct crb_slice b)
{
	return a.len == b.len && strncasecmp(a.p, b.p, a.len) == 0;
}

static bool
same_origin(const struct origin *a, const struct origin *b)
{
	return same(a->scheme, b->scheme) &&
	    same(without_port(a), without_port(b));
}

/* False when it leads elsewhere; otherwise `to` is what is behind the origin.
 */
static bool
stays(struct crb_slice location, struct crb_slice origin, struct origin *from,
    struct origin *to)
{
	bool absolute = split(location, to);

	if (!absolute && crb_slice_starts(location, "/") &&
	    !crb_slice_starts(location, "//"))
		*to = (struct origin){ .rest = location };
	else if (!absolute)
		return false;
	return split(origin, from) && (!absolute || same_origin(from, to));
}

static void
add_rest(struct crb_buf *out, struct crb_slice rest)
{
	if (!crb_slice_starts(rest, "/"))
		crb_buf_char(out, '/');
	crb_buf_add(out, rest.p, rest.len);
}

void
crb_location_rewrite(
    struct crb_buf *out, struct crb_slice location, struct crb_slice origin)
{
	struct origin from, to;

	if (!stays(location, origin, &from, &to)) {
		crb_buf_add(out, location.p, location.len);
		return;
	}
	crb_buf_str(out, "/git/");
	crb_buf_add(out, from.authority.p, from.authority.len);
	add_rest(out, to.rest);
}

void
crb_location_rewrite_to(struct crb_buf *out, struct crb_slice location,
    struct crb_slice origin, struct crb_slice prefix)
{
	struct origin from, to;

	if (!stays(location, origin, &from, &to)) {
		crb_buf_add(out, location.p, location.len);
		return;
	}
	crb_buf_add(out, prefix.p, prefix.len);
	add_rest(out, to.rest);
}
