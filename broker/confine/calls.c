#include "broker/confine/calls.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define AUTO_FILTER __attribute__((cleanup(filter_cleanup)))
static void
filter_cleanup(scmp_filter_ctx *filter)
{
	if (*filter != NULL)
		seccomp_release(*filter);
}

static int
add(scmp_filter_ctx filter, const struct crb_syscall *call)
{
	uint32_t action = call->error == 0
	    ? SCMP_ACT_ALLOW
	    : SCMP_ACT_ERRNO((uint32_t)call->error);
	struct scmp_arg_cmp checks[2];
	int failed;

	for (unsigned i = 0; i < call->checks; i++)
		checks[i] = (struct scmp_arg_cmp){ .arg = call->check[i].arg,
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = call->check[i].mask,
			.datum_b = call->check[i].value == CRB_OWN_PID
			    ? (uint32_t)getpid()
			    : call->check[i].value };
	failed = seccomp_rule_add_array(
	    filter, action, call->number, call->checks, checks);
	/* In two tables, or not a call of this architecture. */
	return failed == -EEXIST || failed == -EDOM ? 0 : failed;
}

static enum crb_status
add_table(scmp_filter_ctx filter, const struct crb_syscall *table,
    struct crb_err *err)
{
	for (; table->name != NULL; table++) {
		errno = -add(filter, table);
		if (errno != 0)
			return crb_err_errno(
			    err, "the seccomp filter's %s", table->name);
	}
	return CRB_OK;
}

/* TSYNC: a library may have started a thread. */
static int
set_attributes(scmp_filter_ctx filter)
{
	static const struct {
		enum scmp_filter_attr attr;
		uint32_t value;
	} attributes[] = {
		{ SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS },
		{ SCMP_FLTATR_CTL_NNP, 1 },
		{ SCMP_FLTATR_CTL_TSYNC, 1 },
		/* Found by halving, and not one after the other. */
		{ SCMP_FLTATR_CTL_OPTIMIZE, 2 },
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (failed == 0)
			failed = seccomp_attr_set(
			    filter, attributes[i].attr, attributes[i].value);
	return failed;
}

enum crb_status
crb_calls_confine(const struct crb_syscall *const *tables, struct crb_err *err)
{
	AUTO_FILTER scmp_filter_ctx filter = seccomp_init(
	    SCMP_ACT_KILL_PROCESS);

	if (filter == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "a seccomp filter");
	errno = -set_attributes(filter);
	if (errno != 0)
		return crb_err_errno(err, "a seccomp filter");
	for (; *tables != NULL; tables++)
		if (add_table(filter, *tables, err) != CRB_OK)
			return err->status;
	errno = -seccomp_load(filter);
	if (errno != 0)
		return crb_err_errno(err, "the seccomp filter");
	return CRB_OK;
}
