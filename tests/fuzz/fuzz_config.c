#include <stdlib.h>

#include "broker/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted is within its bounds. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct crb_config config;
	struct crb_err err;

	if (crb_config_parse((const char *)data, size, "c", &config, &err) !=
	    CRB_OK)
		return 0;
	if (config.ttl < 1 || config.ttl > config.ttl_max ||
	    config.sessions_max < 1 || config.connections_max > 1024 ||
	    (config.state != NULL && config.state[0] != '/'))
		abort();
	crb_config_clear(&config);
	return 0;
}
