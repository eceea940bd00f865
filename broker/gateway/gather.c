#include "broker/gateway/gather.h"

#include <stdlib.h>
#include <string.h>

#include "broker/bus/messages.h"

#define ROOM (CRB_PKTLINE_MAX + CRB_BODY_MAX)

bool
crb_gather_open(struct crb_gather *gather)
{
	*gather = (struct crb_gather){ .bytes = malloc(ROOM) };
	return gather->bytes != NULL;
}

void
crb_gather_close(struct crb_gather *gather)
{
	free(gather->bytes);
	gather->bytes = NULL;
}

/* Less than a line is left of it, so that there is room for more. */
static void
drop_whole(struct crb_gather *gather)
{
	gather->len -= gather->whole;
	memmove(gather->bytes, gather->bytes + gather->whole, gather->len);
	gather->whole = 0;
}

struct crb_slice
crb_gather_add(struct crb_gather *gather, struct crb_slice bytes)
{
	drop_whole(gather);
	memcpy(gather->bytes + gather->len, bytes.p, bytes.len);
	gather->len += bytes.len;
	crb_pktline_feed(&gather->line, bytes.p, bytes.len);
	gather->whole = gather->len - crb_pktline_under_way(&gather->line);
	return (struct crb_slice){ gather->bytes, gather->whole };
}

struct crb_slice
crb_gather_rest(struct crb_gather *gather)
{
	drop_whole(gather);
	gather->whole = gather->len;
	return (struct crb_slice){ gather->bytes, gather->len };
}
