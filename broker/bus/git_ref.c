#include "broker/bus/git_ref.h"

#include <string.h>

#include "base/json.h"

/* One piece of a ref, between slashes: git-check-ref-format(1). */
static bool
is_component(struct crb_slice piece)
{
	if (piece.len == 0 || piece.p[0] == '.' ||
	    crb_slice_ends(piece, ".lock"))
		return false;
	for (size_t i = 0; i < piece.len; i++) {
		unsigned char c = (unsigned char)piece.p[i];
		char next = i + 1 < piece.len ? piece.p[i + 1] : '\0';

		if (c <= 0x20 || c == 0x7f ||
		    memchr("~^:?*[\\", c, 7) != NULL ||
		    (c == '.' && next == '.') || (c == '@' && next == '{'))
			return false;
	}
	return true;
}

bool
crb_git_ref_ok(struct crb_slice ref)
{
	struct crb_slice rest = ref, piece;

	if (ref.len > CRB_REF_MAX || !crb_slice_starts(ref, "refs/") ||
	    crb_slice_ends(ref, ".") || !crb_json_is_string(ref))
		return false;
	while (crb_slice_cut(&rest, '/', &piece)) {
		if (!is_component(piece))
			return false;
	}
	return true;
}
