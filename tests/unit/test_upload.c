#include "broker/egress/upload.h"

#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "broker/bus/stream.h"
#include "tests/unit/unit.h"

#define CHUNKS "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

static struct crb_err err;

struct world {
	int pair[2]; /* ours, the upload's */
	uint8_t spare[CRB_STREAM_PACKET_MAX];
	struct crb_upload upload;
};

static void
begin_job(struct world *world, const struct crb_msg_job *job)
{
	assert_ok(crb_stream_pair(world->pair, &err));
	assert_ok(crb_upload_init(
	    &world->upload, world->pair[1], job, world->spare, &err));
}

static void
begin(struct world *world, enum crb_body kind, uint64_t length, int decoded)
{
	begin_job(world,
	    &(struct crb_msg_job){ .body = (uint8_t)kind, .length = length });
	if (decoded >= 0)
		assert_ok(crb_aws_chunked_new(
		    (uint64_t)decoded, "", &world->upload.decoder, &err));
}

static void
end(struct world *world)
{
	crb_upload_clear(&world->upload);
	close(world->pair[0]);
	close(world->pair[1]);
}

static void
send_body(struct world *world, const char *text)
{
	assert_ok(crb_stream_send_body(
	    world->pair[0], CRB_MSG_REQUEST_BODY, text, strlen(text), &err));
}

static void
send_end(struct world *world)
{
	struct crb_msg_request_end msg = { 0 };

	assert_ok(
	    crb_stream_send(world->pair[0], CRB_MSG_REQUEST_END, &msg, &err));
}

/* All that there is now, in pieces of `size`. */
static enum crb_status
read_all(struct world *world, size_t size, struct crb_buf *out)
{
	char piece[64];
	size_t len;

	world->upload.paused = false;
	for (;;) {
		if (crb_upload_read(&world->upload, piece, size, &len, &err) !=
		    CRB_OK)
			return err.status;
		if (world->upload.paused || len == 0)
			return CRB_OK;
		crb_buf_add(out, piece, len);
	}
}

static void
a_body_passes_as_it_comes(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(64);
	struct world world;

	(void)state;
	begin(&world, CRB_BODY_LENGTH, 5, -1);
	send_body(&world, "ab");
	assert_ok(read_all(&world, 1, &out));
	assert_true(world.upload.paused);
	send_body(&world, "cde");
	assert_ok(read_all(&world, 64, &out));
	assert_string_equal(crb_buf_text(&out), "abcde");
	assert_true(crb_upload_passed(&world.upload));
	assert_true(world.upload.passed == 5);
	end(&world);
}

/* Cut anywhere, and read in pieces of any size. */
static void
chunks_are_decoded_wherever_they_are_cut(void **state)
{
	size_t whole = strlen(CHUNKS);

	(void)state;
	for (size_t cut = 1; cut < whole; cut++) {
		for (size_t size = 1; size <= 8; size += 7) {
			CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(64);
			char first[64] = "";
			struct world world;

			begin(&world, CRB_BODY_LENGTH, whole, 5);
			memcpy(first, CHUNKS, cut);
			send_body(&world, first);
			assert_ok(read_all(&world, size, &out));
			/* The last byte waits for the end. */
			assert_true(out.len < 5);
			send_body(&world, &CHUNKS[cut]);
			assert_ok(read_all(&world, size, &out));
			assert_string_equal(crb_buf_text(&out), "abcde");
			assert_true(crb_upload_passed(&world.upload));
			end(&world);
		}
	}
}

static void
chunks_that_never_end_never_complete(void **state)
{
	static const char *const cases[] = { "5\r\nabcde\r\n", "5\r\nabcd",
		"5\r\nabcde\r\n0\r\n", "0\r\n\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(64);
		struct world world;

		begin(&world, CRB_BODY_CHUNKED, 0, 5);
		send_body(&world, cases[i]);
		send_end(&world);
		if (read_all(&world, 64, &out) == CRB_OK || out.len == 5)
			fail_msg("%s", cases[i]);
		end(&world);
	}
}

static void
what_is_collected_is_read_again(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(64);
	struct world world;
	bool whole;

	(void)state;
	begin(&world, CRB_BODY_CHUNKED, 0, -1);
	send_body(&world, "ab");
	assert_ok(crb_upload_collect(&world.upload, 5, &whole, &err));
	assert_false(whole);
	assert_true(world.upload.paused);
	send_body(&world, "cde");
	send_end(&world);
	assert_ok(crb_upload_collect(&world.upload, 5, &whole, &err));
	assert_true(whole);
	assert_int_equal(world.upload.body.len, 5);
	assert_false(crb_upload_passed(&world.upload));
	assert_ok(read_all(&world, 2, &out));
	assert_string_equal(crb_buf_text(&out), "abcde");
	assert_true(crb_upload_passed(&world.upload));
	assert_true(world.upload.passed == 5);
	end(&world);
}

static void
what_is_collected_is_bounded(void **state)
{
	struct world world;
	bool whole;

	(void)state;
	begin(&world, CRB_BODY_CHUNKED, 0, -1);
	send_body(&world, "abcdef");
	assert_int_equal(crb_upload_collect(&world.upload, 5, &whole, &err),
	    CRB_ERR_TOO_LARGE);
	end(&world);
}

static void
a_body_of_nothing_is_seen_to_its_end(void **state)
{
	static const struct {
		const char *body;
		enum crb_status status;
	} cases[] = { { "0\r\n\r\n", CRB_OK }, { "0\r\n", CRB_ERR_INVALID },
		{ "1\r\na\r\n0\r\n\r\n", CRB_ERR_INVALID } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct world world;
		bool whole;

		begin(&world, CRB_BODY_LENGTH, strlen(cases[i].body), 0);
		send_body(&world, cases[i].body);
		assert_int_equal(
		    crb_upload_collect(&world.upload, 5, &whole, &err),
		    cases[i].status);
		end(&world);
	}
}

#define PART "0004commands0000"
#define REST "PACK and more"

/* A job of which this much was judged, and this is all that is said of it. */
static struct crb_msg_job
judged_job(enum crb_judged part, const char *text, uint8_t hash[32],
    enum crb_body kind, uint64_t length)
{
	(void)crypto_hash_sha256(hash, (const uint8_t *)text, strlen(text));
	return (struct crb_msg_job){ .body = (uint8_t)kind,
		.length = length,
		.judged = (uint8_t)part,
		.judged_length = (uint32_t)strlen(text),
		.judged_hash = { (const char *)hash, 32 } };
}

static bool
hold(struct world *world)
{
	bool right;

	assert_true(crb_upload_is_held(&world->upload));
	assert_ok(crb_upload_hold(&world->upload, &right, &err));
	return right;
}

/* Cut anywhere, it is held back up to its last byte, and read once. */
static void
a_judged_start_is_held_until_it_is_whole(void **state)
{
	const char *body = PART REST;
	size_t whole = strlen(body);
	uint8_t hash[32];

	(void)state;
	for (size_t cut = 1; cut < whole; cut++) {
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(64);
		const struct crb_msg_job job = judged_job(
		    CRB_JUDGED_START, PART, hash, CRB_BODY_LENGTH, whole);
		char first[64] = "";
		struct world world;

		begin_job(&world, &job);
		assert_false(hold(&world));
		memcpy(first, body, cut);
		send_body(&world, first);
		if (cut < strlen(PART)) {
			assert_false(hold(&world));
			assert_true(world.upload.paused);
			assert_true(world.upload.passed == 0);
		}
		send_body(&world, body + cut);
		if (crb_upload_is_held(&world.upload))
			assert_true(hold(&world));
		assert_false(crb_upload_is_held(&world.upload));
		assert_false(crb_upload_passed(&world.upload));
		assert_ok(read_all(&world, 3, &out));
		assert_string_equal(crb_buf_text(&out), body);
		assert_true(crb_upload_passed(&world.upload));
		assert_true(world.upload.passed == whole);
		assert_null(world.upload.judged.bytes.data);
		end(&world);
	}
}

static void
what_was_not_judged_is_not_read(void **state)
{
	static const struct {
		enum crb_judged part;
		enum crb_body kind;
		const char *body;
		bool ends;
	} cases[] = {
		{ CRB_JUDGED_START, CRB_BODY_CHUNKED, "0004commandx0000",
		    true },
		{ CRB_JUDGED_START, CRB_BODY_CHUNKED, "0004commandx0000PACK",
		    false },
		{ CRB_JUDGED_START, CRB_BODY_CHUNKED, "x" PART, true },
		{ CRB_JUDGED_START, CRB_BODY_CHUNKED, "0004commands000", true },
		{ CRB_JUDGED_START, CRB_BODY_LENGTH, "0004commands0001",
		    false },
		{ CRB_JUDGED_START, CRB_BODY_CHUNKED, PART "000c", false },
		{ CRB_JUDGED_START, CRB_BODY_CHUNKED, PART "PAC", true },
		{ CRB_JUDGED_START, CRB_BODY_LENGTH, PART "PAC", false },
		{ CRB_JUDGED_WHOLE, CRB_BODY_CHUNKED, PART "x", false },
		{ CRB_JUDGED_WHOLE, CRB_BODY_CHUNKED, "0004commands000", true },
		{ CRB_JUDGED_WHOLE, CRB_BODY_LENGTH, "0004commands0001",
		    false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t hash[32];
		const struct crb_msg_job job = judged_job(cases[i].part, PART,
		    hash, cases[i].kind, strlen(cases[i].body));
		struct world world;
		bool right = false;

		begin_job(&world, &job);
		send_body(&world, cases[i].body);
		if (cases[i].ends)
			send_end(&world);
		assert_int_equal(crb_upload_hold(&world.upload, &right, &err),
		    CRB_ERR_DENIED);
		assert_false(right);
		assert_true(crb_upload_is_held(&world.upload));
		end(&world);
	}
}

/* Of chunks nobody knows that they have ended before their end comes. */
static void
a_judged_whole_is_held_until_its_end(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(64);
	uint8_t hash[32];
	const struct crb_msg_job job = judged_job(
	    CRB_JUDGED_WHOLE, PART, hash, CRB_BODY_CHUNKED, 0);
	struct world world;

	(void)state;
	begin_job(&world, &job);
	send_body(&world, PART);
	assert_false(hold(&world));
	assert_true(world.upload.paused);
	send_end(&world);
	assert_true(hold(&world));
	assert_ok(read_all(&world, 64, &out));
	assert_string_equal(crb_buf_text(&out), PART);
	assert_true(crb_upload_passed(&world.upload));
	end(&world);
}

static void
a_length_that_cannot_be_is_refused_at_once(void **state)
{
	static const struct {
		enum crb_judged part;
		enum crb_body kind;
		uint64_t length;
		enum crb_status status;
	} cases[] = {
		{ CRB_JUDGED_START, CRB_BODY_LENGTH, 16, CRB_OK },
		{ CRB_JUDGED_START, CRB_BODY_LENGTH, 15, CRB_ERR_DENIED },
		{ CRB_JUDGED_START, CRB_BODY_NONE, 0, CRB_ERR_DENIED },
		{ CRB_JUDGED_WHOLE, CRB_BODY_LENGTH, 16, CRB_OK },
		{ CRB_JUDGED_WHOLE, CRB_BODY_LENGTH, 15, CRB_ERR_DENIED },
		{ CRB_JUDGED_WHOLE, CRB_BODY_LENGTH, 17, CRB_ERR_DENIED },
		{ CRB_JUDGED_WHOLE, CRB_BODY_NONE, 0, CRB_ERR_DENIED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t hash[32];
		const struct crb_msg_job job = judged_job(
		    cases[i].part, PART, hash, cases[i].kind, cases[i].length);
		struct crb_judged_body judged;
		enum crb_status status = crb_judged_body_init(
		    &judged, &job, &err);

		assert_int_equal(status, cases[i].status);
		crb_judged_body_clear(&judged);
	}
}

static void
only_without_a_body_is_the_head_the_end(void **state)
{
	struct world world = { .pair = { -1, -1 } };

	(void)state;
	begin(&world, CRB_BODY_NONE, 0, -1);
	assert_ok(crb_upload_end(&world.upload, &err));
	assert_true(world.upload.ended && crb_upload_passed(&world.upload));
	end(&world);
	for (int kind = CRB_BODY_LENGTH; kind <= CRB_BODY_CHUNKED; kind++) {
		begin(&world, (enum crb_body)kind, 0, -1);
		assert_fails(
		    crb_upload_end(&world.upload, &err), CRB_ERR_INVALID);
		assert_false(world.upload.ended);
		end(&world);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_passes_as_it_comes),
		cmocka_unit_test(chunks_are_decoded_wherever_they_are_cut),
		cmocka_unit_test(chunks_that_never_end_never_complete),
		cmocka_unit_test(what_is_collected_is_read_again),
		cmocka_unit_test(what_is_collected_is_bounded),
		cmocka_unit_test(a_body_of_nothing_is_seen_to_its_end),
		cmocka_unit_test(a_judged_start_is_held_until_it_is_whole),
		cmocka_unit_test(what_was_not_judged_is_not_read),
		cmocka_unit_test(a_judged_whole_is_held_until_its_end),
		cmocka_unit_test(a_length_that_cannot_be_is_refused_at_once),
		cmocka_unit_test(only_without_a_body_is_the_head_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
