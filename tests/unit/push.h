#ifndef UNIT_PUSH_H
#define UNIT_PUSH_H

#include "broker/core/exchange_hold.h"
#include "tests/fakes/world.h"

/* What tests of pushes share: the gateway's part of one. */
#define OID "0123456789012345678901234567890123456789"
#define ZERO "0000000000000000000000000000000000000000"
#define CAPS " report-status side-band-64k"
#define PUSHES "gh:repository=acme/api,git=push"
#define TARGET "git.test/acme/api.git/git-receive-pack"

/* Commands "CHANGE REF" parted by "|", as git sends them. */
static inline void
push_write(struct crb_buf *out, const char *script)
{
	struct crb_slice rest = CRB_SLICE(script), ref, change;

	while (crb_slice_cut(&rest, '|', &ref)) {
		CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(2048);

		assert_true(crb_slice_cut(&ref, ' ', &change));
		crb_buf_printf(&line, "%s %s %.*s",
		    crb_slice_is(change, "create") ? ZERO : OID,
		    crb_slice_is(change, "delete") ? ZERO : OID, (int)ref.len,
		    ref.p);
		if (out->len == 0) {
			crb_buf_char(&line, '\0');
			crb_buf_str(&line, CAPS);
		}
		crb_buf_printf(out, "%04zx", line.len + 4);
		crb_buf_add(out, line.data, line.len);
	}
	crb_buf_str(out, "0000");
}

/* The gateway shows commands, or a piece of them. */
static inline void
push_shown(struct world *world, uint64_t exchange, const void *data, size_t len,
    bool last)
{
	world_gateway_says(world, CRB_MSG_SHOWN,
	    &(struct crb_msg_shown){ .exchange = exchange,
		.what = CRB_NEED_COMMANDS,
		.last = last,
		.data = { data, len },
		.hash = CRB_SLICE(""),
		.type = CRB_SLICE("") });
}

/* A push up to where its commands are wanted; the number of the exchange. */
static inline uint64_t
push_ask(struct world *world, const char *session)
{
	uint64_t exchange = world_git(world, session, "POST", TARGET, NULL);
	const struct crb_msg *msg = world_hear(world, CRB_MSG_NEED);

	assert_true(msg->need.exchange == exchange);
	assert_int_equal(msg->need.what, CRB_NEED_COMMANDS);
	assert_int_equal(msg->need.most, CRB_COMMANDS_MAX);
	return exchange;
}

#endif /* !UNIT_PUSH_H */
