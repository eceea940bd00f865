#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "broker/bus/messages.h"

/*
 * Packets are written here by hand, from the same table, so that they can be
 * wrong in a way that encoding does not allow.
 */
enum wrong { NOTHING, OVERLONG, NUL };

struct writer {
	uint8_t *bytes;
	size_t len;
	bool full; /* slices at their maximum, or empty */
	enum wrong wrong;
	unsigned at; /* the slice that is wrong, from 0 */
	unsigned slices;
	bool did;
};

static void
put(struct writer *writer, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		writer->bytes[writer->len++] = (uint8_t)(value >> (8 * i));
}

static void
put_slice(struct writer *writer, size_t max, bool text)
{
	bool here = writer->slices++ == writer->at;
	bool overlong = here && writer->wrong == OVERLONG;
	bool nul = here && writer->wrong == NUL && text;
	size_t len = writer->full ? max : nul ? 1 : 0;

	len = overlong ? max + 1 : len;
	put(writer, len, 4);
	memset(writer->bytes + writer->len, 'x', len);
	if (nul)
		writer->bytes[writer->len + len - 1] = '\0';
	writer->len += len;
	writer->did = writer->did || overlong || nul;
}

#define PUT_U8(max) put(writer, 0xa1, 1);
#define PUT_U16(max) put(writer, 0xb1b2, 2);
#define PUT_U32(max) put(writer, 0xc1c2c3c4, 4);
#define PUT_U64(max) put(writer, 0xd1d2d3d4d5d6d7d8, 8);
#define PUT_TEXT(max) put_slice(writer, max, true);
#define PUT_BYTES(max) put_slice(writer, max, false);
#define PUT(kind, name, max) PUT_##kind(max)
#define WRITE(NAME, name, from, to, fd) \
	case CRB_MSG_##NAME:            \
		CRB_FIELDS_##NAME(PUT) break;

static void
write_packet(struct writer *writer, enum crb_msg_type type)
{
	writer->bytes = malloc(2 * CRB_PACKET_MAX);
	assert_non_null(writer->bytes);
	put(writer, (uint64_t)type, 2);
	switch (type) {
		CRB_MESSAGES(WRITE)
	case CRB_MSG_NONE_:
	case CRB_MSG_COUNT_:
		break;
	}
}

enum fd_rule { NO, YES, MAYBE };

static const struct row {
	enum crb_role from, to;
	enum fd_rule fd;
} rows[] = {
#define ROW(NAME, name, from, to, fd) \
	[CRB_MSG_##NAME] = { CRB_ROLE_##from, CRB_ROLE_##to, fd },
	CRB_MESSAGES(ROW)
};

static int
fit_fd(enum crb_msg_type type)
{
	return rows[type].fd == YES ? 9 : -1;
}

/* Exactly sized, so that the sanitizer sees a byte read too many. */
static enum crb_status
decode_as(const uint8_t *bytes, size_t len, int fd, enum crb_role from,
    enum crb_role to, struct crb_msg *out)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);
	enum crb_status status;
	struct crb_err err;

	assert_non_null(exact);
	if (len > 0)
		memcpy(exact, bytes, len);
	status = crb_msg_decode(exact, len, fd, from, to, out, &err);
	free(exact);
	return status;
}

static enum crb_status
decode(enum crb_msg_type type, const uint8_t *bytes, size_t len)
{
	struct crb_msg msg;

	return decode_as(
	    bytes, len, fit_fd(type), rows[type].from, rows[type].to, &msg);
}

#define EACH_TYPE(type)                                  \
	for (enum crb_msg_type type = CRB_MSG_NONE_ + 1; \
	     type < CRB_MSG_COUNT_; type++)

static const void *
body_of(const struct crb_msg *msg)
{
	return (const char *)msg + offsetof(struct crb_msg, peer);
}

static void
round_trip(enum crb_msg_type type, bool full)
{
	struct writer writer = { .full = full };
	CRB_AUTO_FREE uint8_t *again = malloc(CRB_PACKET_MAX);
	struct crb_err err;
	struct crb_msg msg;
	size_t len;

	write_packet(&writer, type);
	assert_int_equal(crb_msg_decode(writer.bytes, writer.len, fit_fd(type),
			     rows[type].from, rows[type].to, &msg, &err),
	    CRB_OK);
	assert_int_equal(msg.type, type);
	assert_int_equal(msg.fd, fit_fd(type));
	assert_int_equal(crb_msg_size(type, body_of(&msg)), writer.len);
	assert_int_equal(
	    crb_msg_encode(type, body_of(&msg), again, writer.len, &len, &err),
	    CRB_OK);
	assert_int_equal(len, writer.len);
	assert_memory_equal(again, writer.bytes, len);
	/* One byte of room less is not enough, and nothing is overrun. */
	assert_int_equal(crb_msg_encode(type, body_of(&msg), again,
			     writer.len - 1, &len, &err),
	    CRB_ERR_TOO_LARGE);
	free(writer.bytes);
}

static void
every_type_round_trips(void **state)
{
	(void)state;
	EACH_TYPE(type)
	{
		round_trip(type, false);
		round_trip(type, true);
	}
}

static void
fields_land_where_they_are_named(void **state)
{
	static const uint8_t packet[] = { CRB_MSG_SESSION_RENEW, 0, 3, 0, 0, 0,
		'a', 'b', 'c', 8, 7, 6, 5, 4, 3, 2, 1 };
	struct crb_err err;
	struct crb_msg msg;

	(void)state;
	assert_int_equal(crb_msg_decode(packet, sizeof(packet), -1,
			     CRB_ROLE_CORE, CRB_ROLE_GATEWAY, &msg, &err),
	    CRB_OK);
	assert_true(crb_slice_is(msg.session_renew.session, "abc"));
	assert_true(msg.session_renew.expires == 0x0102030405060708);
}

static void
a_packet_that_is_cut_off_is_refused(void **state)
{
	(void)state;
	EACH_TYPE(type)
	{
		struct writer writer = { .full = true };

		write_packet(&writer, type);
		/* All short ones, and all near the end of long ones. */
		for (size_t len = 0; len < writer.len; len++)
			if (len < 600 || writer.len - len < 50)
				assert_int_equal(
				    decode(type, writer.bytes, len),
				    CRB_ERR_INVALID);
		free(writer.bytes);
	}
}

static void
bytes_behind_the_end_are_refused(void **state)
{
	(void)state;
	EACH_TYPE(type)
	{
		struct writer writer = { .full = false };

		write_packet(&writer, type);
		writer.bytes[writer.len] = 0;
		assert_int_equal(
		    decode(type, writer.bytes, writer.len), CRB_OK);
		assert_int_equal(decode(type, writer.bytes, writer.len + 1),
		    CRB_ERR_INVALID);
		free(writer.bytes);
	}
}

/* Each slice of each type, one at a time. */
static void
each_slice_is_refused(enum wrong wrong, bool full, enum crb_status expected)
{
	unsigned count = 0;

	EACH_TYPE(type)
	{
		for (unsigned at = 0; at < 16; at++) {
			struct writer writer = {
				.full = full, .wrong = wrong, .at = at
			};

			write_packet(&writer, type);
			if (writer.did) {
				assert_int_equal(
				    decode(type, writer.bytes, writer.len),
				    expected);
				count++;
			}
			free(writer.bytes);
		}
	}
	assert_true(count > 20);
}

static void
a_field_over_its_bound_is_refused(void **state)
{
	(void)state;
	each_slice_is_refused(OVERLONG, false, CRB_ERR_TOO_LARGE);
}

static void
a_nul_in_text_is_refused(void **state)
{
	(void)state;
	each_slice_is_refused(NUL, false, CRB_ERR_INVALID);
	each_slice_is_refused(NUL, true, CRB_ERR_INVALID);
}

static void
a_length_beyond_the_packet_is_refused(void **state)
{
	uint8_t packet[] = { CRB_MSG_SESSION_CLOSE, 0, 0xff, 0xff, 0xff, 0xff,
		'a' };

	(void)state;
	assert_int_equal(decode(CRB_MSG_SESSION_CLOSE, packet, sizeof(packet)),
	    CRB_ERR_INVALID);
	/* Within the field's bound, and over what is there. */
	packet[2] = 2;
	packet[3] = packet[4] = packet[5] = 0;
	assert_int_equal(decode(CRB_MSG_SESSION_CLOSE, packet, sizeof(packet)),
	    CRB_ERR_INVALID);
	packet[2] = 1;
	assert_int_equal(
	    decode(CRB_MSG_SESSION_CLOSE, packet, sizeof(packet)), CRB_OK);
}

static void
encoding_checks_the_same_bounds(void **state)
{
	struct crb_msg_session_close msg = { .session = {
						 "12345678901234567", 17 } };
	uint8_t packet[64];
	struct crb_err err;
	size_t len;

	(void)state;
	assert_int_equal(crb_msg_encode(CRB_MSG_SESSION_CLOSE, &msg, packet,
			     sizeof(packet), &len, &err),
	    CRB_ERR_TOO_LARGE);
	msg.session = (struct crb_slice){ "a\0b", 3 };
	assert_int_equal(crb_msg_encode(CRB_MSG_SESSION_CLOSE, &msg, packet,
			     sizeof(packet), &len, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(crb_msg_encode(CRB_MSG_COUNT_, &msg, packet,
			     sizeof(packet), &len, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(crb_msg_encode(CRB_MSG_NONE_, &msg, packet,
			     sizeof(packet), &len, &err),
	    CRB_ERR_INVALID);
}

static void
a_type_goes_in_one_direction_only(void **state)
{
	struct crb_msg msg;

	(void)state;
	EACH_TYPE(type)
	{
		struct writer writer = { .full = false };

		write_packet(&writer, type);
		for (unsigned from = 0; from < 4; from++)
			for (unsigned to = 0; to < 4; to++)
				assert_true((decode_as(writer.bytes, writer.len,
						 fit_fd(type), from, to,
						 &msg) == CRB_OK) ==
				    (from == rows[type].from &&
					to == rows[type].to));
		free(writer.bytes);
	}
}

static void
descriptors_come_as_the_table_says(void **state)
{
	struct crb_msg msg;

	(void)state;
	EACH_TYPE(type)
	{
		const struct row *row = &rows[type];
		struct writer writer = { .full = false };

		write_packet(&writer, type);
		assert_true((decode_as(writer.bytes, writer.len, 7, row->from,
				 row->to, &msg) == CRB_OK) == (row->fd != NO));
		assert_true((decode_as(writer.bytes, writer.len, -1, row->from,
				 row->to, &msg) == CRB_OK) == (row->fd != YES));
		free(writer.bytes);
	}
}

static void
an_unknown_type_is_refused(void **state)
{
	static const unsigned types[] = { 0, CRB_MSG_COUNT_, 0xff, 0xffff };
	struct crb_msg msg;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		uint8_t packet[] = { (uint8_t)types[i],
			(uint8_t)(types[i] >> 8) };

		for (unsigned from = 0; from < 4; from++)
			assert_int_equal(
			    decode_as(packet, 2, -1, from, CRB_ROLE_CORE, &msg),
			    CRB_ERR_INVALID);
	}
}

static void
a_refused_packet_leaves_the_result_alone(void **state)
{
	static const uint8_t packet[] = { CRB_MSG_SESSION_CLOSE, 0, 9 };
	struct crb_msg msg, before;
	struct crb_err err;

	(void)state;
	memset(&msg, 0x5a, sizeof(msg));
	memcpy(&before, &msg, sizeof(msg));
	assert_int_equal(crb_msg_decode(packet, sizeof(packet), -1,
			     CRB_ROLE_CORE, CRB_ROLE_GATEWAY, &msg, &err),
	    CRB_ERR_INVALID);
	assert_memory_equal(&msg, &before, sizeof(msg));
	assert_string_equal(
	    err.msg, "message SESSION_CLOSE: session is cut off");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_round_trips),
		cmocka_unit_test(fields_land_where_they_are_named),
		cmocka_unit_test(a_packet_that_is_cut_off_is_refused),
		cmocka_unit_test(bytes_behind_the_end_are_refused),
		cmocka_unit_test(a_field_over_its_bound_is_refused),
		cmocka_unit_test(a_nul_in_text_is_refused),
		cmocka_unit_test(a_length_beyond_the_packet_is_refused),
		cmocka_unit_test(encoding_checks_the_same_bounds),
		cmocka_unit_test(a_type_goes_in_one_direction_only),
		cmocka_unit_test(descriptors_come_as_the_table_says),
		cmocka_unit_test(an_unknown_type_is_refused),
		cmocka_unit_test(a_refused_packet_leaves_the_result_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
