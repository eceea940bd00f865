/*
 * Lines of the admin socket, one after the other, against a core that is
 * unlocked and has a session; "$S" stands for its id.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/core/admin.h"
#include "broker/core/session.h"
#include "tests/fakes/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What one input leaves behind is there for the next ones, but not for ever. */
#define INPUTS_A_WORLD 256
#define LINES_MAX 8

static struct world world;
static char session[CRB_SESSION_ID_MAX + 1];
static unsigned inputs;

static void
end(void)
{
	world_stop(&world);
}

static void
begin(void)
{
	world_start(&world, NULL);
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api", session);
	inputs = 0;
}

static void
begin_again(void)
{
	end();
	begin();
}

static bool
worn_out(void)
{
	const struct crb_session *at = NULL;

	if (inputs++ == INPUTS_A_WORLD || !crb_core_unlocked(world.core))
		return true;
	at = crb_session_get(world.core, CRB_SLICE(session));
	return at == NULL || at->state != CRB_SESSION_LIVE;
}

static void
say(struct crb_slice line)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(1u << 20);

	for (size_t i = 0; i < line.len; i++) {
		if (line.p[i] == '$' && i + 1 < line.len &&
		    line.p[i + 1] == 'S') {
			crb_buf_str(&text, session);
			i++;
		} else
			crb_buf_char(&text, line.p[i]);
	}
	if (text.failed)
		return;
	crb_admin_line(
	    world.core->admin, NULL, geteuid(), crb_buf_text(&text), text.len);
	world_turn(&world);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice rest = { (const char *)data, size }, line;
	static bool begun;

	if (!begun) {
		crb_log_open("fuzz", CRB_LOG_ERROR);
		(void)atexit(end);
		begin();
	}
	begun = true;
	if (worn_out())
		begin_again();
	for (int i = 0; i < LINES_MAX && rest.p != NULL; i++) {
		if (!crb_slice_cut(&rest, '\n', &line))
			break;
		say(line);
	}
	return 0;
}
