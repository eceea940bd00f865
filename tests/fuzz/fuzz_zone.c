#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/zone.h"

/* A zone's file: whatever is in it, time goes on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t times[] = { INT64_MIN, -1, 0, 951782400,
		1792000000, INT32_MAX, (int64_t)1 << 40, INT64_MAX };
	CRB_AUTO_ZONE struct crb_zone *zone = NULL;
	struct crb_err err = { 0 };
	struct crb_zone_time time;

	if (crb_zone_parse(data, size, &zone, &err) != CRB_OK)
		return 0;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (!crb_zone_at(zone, times[i], &time))
			continue;
		if (time.until <= times[i] || abs(time.east) > 93600)
			abort();
	}
	return 0;
}
