/* Lines of the admin socket, against a core that is unlocked and has a session.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/core/admin.h"
#include "tests/fakes/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
begin(struct world *world)
{
	char session[CRB_SESSION_ID_MAX + 1];

	crb_log_open("fuzz", CRB_LOG_ERROR);
	world_start(world, NULL);
	world_add_credential(world, "gh");
	world_issue(world, "gh:repository=acme/api", session);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;
	static bool begun;

	if (!begun)
		begin(&world);
	begun = true;
	crb_admin_line(
	    world.core->admin, NULL, geteuid(), (const char *)data, size);
	world_turn(&world);
	return 0;
}
