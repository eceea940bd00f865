#include "broker/confine/confine.h"

#include <time.h>

#include <jansson.h>

#include "broker/confine/instrumented.h"

#define TABLES_MAX 8

/* What libraries open at their first use, and cannot later. */
static void
settle_libraries(void)
{
	tzset();
	/* Else the order of its tables would depend on the time alone. */
	json_object_seed(0);
}

enum crb_status
crb_confine(const struct crb_confinement *confinement, struct crb_err *err)
{
	const struct crb_call *tables[TABLES_MAX + 3] = { NULL };
	unsigned count = 0;

	settle_libraries();
	while (count < TABLES_MAX && confinement->calls[count] != NULL) {
		tables[count] = confinement->calls[count];
		count++;
	}
	tables[count++] = crb_calls_instrumented;
#ifdef CRB_SANITIZED
	tables[count] = crb_calls_base;
#endif
	return crb_calls_confine(tables, err);
}
