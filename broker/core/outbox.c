#include "broker/core/outbox.h"

#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#include "base/units.h"
#include "broker/core/audit_line.h"

static const char lead[] = "outbox 1 ";
#define LEAD_LEN (sizeof(lead) - 1)

void
crb_outbox_encode(struct crb_buf *out, const struct crb_audit_mark *mark,
    struct crb_slice lines)
{
	crb_buf_printf(out, "%s%" PRIu64 " ", lead, mark->n);
	crb_text_hex(out, mark->hash, sizeof(mark->hash));
	crb_buf_char(out, '\n');
	crb_buf_add(out, lines.p, lines.len);
}

static bool
decode_mark(struct crb_slice line, struct crb_audit_mark *mark)
{
	struct crb_slice number;
	struct crb_err ignored;

	if (!crb_slice_starts(line, lead))
		return false;
	line.p += LEAD_LEN;
	line.len -= LEAD_LEN;
	return crb_slice_cut(&line, ' ', &number) &&
	    crb_number_parse(number.p, number.len, INT64_MAX, &mark->n,
		&ignored) == CRB_OK &&
	    line.p != NULL && line.len == 2 * sizeof(mark->hash) &&
	    sodium_hex2bin(mark->hash, sizeof(mark->hash), line.p, line.len,
		NULL, NULL, NULL) == 0;
}

/* Every line is a rendered one, numbers ascending. */
static bool
check_lines(struct crb_slice rest, uint64_t *first)
{
	struct crb_slice line;
	const char *fields;
	uint64_t seq, last = 0;

	*first = 0;
	while (rest.len > 0) {
		const char *end = memchr(rest.p, '\n', rest.len);

		if (end == NULL)
			return false;
		line = (struct crb_slice){ rest.p, (size_t)(end - rest.p) };
		if (!crb_audit_rendered(line.p, line.len, &seq, &fields) ||
		    seq <= last)
			return false;
		if (*first == 0)
			*first = seq;
		last = seq;
		rest.p += line.len + 1;
		rest.len -= line.len + 1;
	}
	return true;
}

enum crb_status
crb_outbox_decode(
    const char *bytes, size_t len, struct crb_outbox *out, struct crb_err *err)
{
	const char *end = len == 0 ? NULL : memchr(bytes, '\n', len);
	struct crb_outbox box = { 0 };

	if (end != NULL) {
		const size_t head = (size_t)(end - bytes);

		box.lines = (struct crb_slice){ end + 1, len - head - 1 };
		if (decode_mark((struct crb_slice){ bytes, head }, &box.mark) &&
		    check_lines(box.lines, &box.first)) {
			*out = box;
			return CRB_OK;
		}
	}
	return crb_err_set(err, CRB_ERR_CORRUPT,
	    "an outbox record is of a format that this program does not "
	    "read");
}
