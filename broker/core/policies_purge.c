#include "broker/core/policies_impl.h"

void
crb_policies_purge(struct crb_policies *policies, struct crb_ending *ending)
{
	(void)policies;
	(void)ending;
}
