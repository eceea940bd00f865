#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "broker/core/roles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
look_up(bool group, const char *name, uint32_t *id)
{
	*id = (uint32_t)strlen(name) + (group ? 1000 : 2000);
	return true;
}

/* What is read is within its bounds, and gives nobody what it does not say. */
static void
judge(const struct crb_roles *roles)
{
	const gid_t gids[] = { 1001, 300 };
	const struct crb_identity nobody = { 65533, NULL, 0 };
	const struct crb_identity peer = { 2001, gids, 2 };
	struct crb_access access;

	crb_roles_judge(NULL, 500, &peer, &access);
	if (access.may != 0)
		abort();
	crb_roles_judge(roles, 500, &peer, &access);
	if ((access.issuers != 0) != ((access.may & CRB_MAY_ISSUE) != 0) &&
	    (access.may & CRB_MAY_ADMIN) == 0)
		abort();
	if (!crb_roles_name_others(roles, 500) && access.may != 0)
		abort();
	crb_roles_judge(roles, 65533, &nobody, &access);
	if (access.may != (CRB_MAY_ADMIN | CRB_MAY_ANY))
		abort();
}

/* The value of the key `roles`. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct crb_roles_source source = { "c", (const char *)data,
		size };
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_roles *roles;
	struct crb_err err;

	if (size > 4096 ||
	    crb_json_parse((const char *)data, size, "c", &json, &err) !=
		CRB_OK ||
	    crb_roles_parse(json, &source, &roles, &err) != CRB_OK)
		return 0;
	if (crb_roles_resolve(roles, "c", look_up, &err) != CRB_OK)
		abort();
	judge(roles);
	crb_roles_free(roles);
	return 0;
}
