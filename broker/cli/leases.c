#include "broker/cli/leases.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "broker/cli/output.h"

/* What the states are called here; NULL: it is said otherwise. */
static const struct {
	const char *state, *words;
} states[] = {
	{ "live", "" },
	{ "issued", ", handed out no more" },
	{ "minting", ", being minted" },
	{ "unknown", ", perhaps: the upstream's answer was lost" },
};

static const char *
words_of(const char *state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (state != NULL && strcmp(states[i].state, state) == 0)
			return states[i].words;
	return "";
}

/* Its keys are the broker's alone. */
static bool
is_injected(const json_t *lease)
{
	const char *delivery = crb_member(lease, "delivery");

	return delivery != NULL && strcmp(delivery, "inject") == 0;
}

static void
print(const json_t *lease)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(1024);
	const char *id = crb_member(lease, "id");
	const char *until = crb_member(lease, "expires");
	bool injected = is_injected(lease);
	char left[CRB_DURATION_TEXT];

	crb_output_left(until, left);
	crb_buf_printf(&text, "%s  %s until %s (%s)%s%s%s",
	    crb_member(lease, "credential"),
	    injected ? "never handed out, works" : "issued keys work", until,
	    left, injected ? "" : words_of(crb_member(lease, "state")),
	    id != NULL ? "  " : "", id != NULL ? id : "");
	crb_output_pair("lease", crb_buf_text(&text));
}

void
crb_leases_print(const json_t *leases)
{
	size_t i;
	json_t *lease;

	json_array_foreach(leases, i, lease) print(lease);
}

bool
crb_leases_remain(FILE *to, const json_t *leases)
{
	const char *last = NULL;
	char clock[CRB_CLOCK_TEXT];
	size_t i, count = 0;
	json_t *lease;

	json_array_foreach(leases, i, lease)
	{
		const char *until = crb_member(lease, "expires");

		if (until == NULL || is_injected(lease))
			continue;
		count++;
		/* All are written in the same way, in UTC. */
		if (last == NULL || strcmp(until, last) > 0)
			last = until;
	}
	if (count == 0)
		return false;
	crb_output_clock(last, clock);
	fprintf(to,
	    "%zu AWS lease%s cannot be revoked upstream: keys work until %s",
	    count, count == 1 ? "" : "s", clock);
	return true;
}
