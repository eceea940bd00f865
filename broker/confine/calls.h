#ifndef CRB_CALLS_H
#define CRB_CALLS_H

#include <seccomp.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Tables of system calls, a row a call that a process may make, in one way.
 * A call with several rows may be made in each of these ways.  Whatever has no
 * row, and whatever comes by another architecture's entry, kills the process.
 */
struct crb_syscall {
	const char *name; /* NULL: the table's end */
	int number;       /* libseccomp's: negative where there is none */
	int error;        /* 0: it is let through; otherwise it fails so */
	unsigned checks;  /* all of them must hold */
	struct {
		unsigned arg; /* from 0 */
		uint64_t mask, value;
	} check[2];
};

#define CRB_CALLS_END \
	{             \
		0     \
	}
#define CRB_CALL_ROW_(call, err, count, ...)                             \
	{                                                                \
		.name = #call, .number = SCMP_SYS(call), .error = (err), \
		.checks = (count), .check = {                            \
			__VA_ARGS__                                      \
		}                                                        \
	}
#define CRB_CALL(call) CRB_CALL_ROW_(call, 0, 0, { 0, 0, 0 })
/* The kernel takes an int: the upper half of the register does not count. */
#define CRB_CALL_WITH(call, arg, value) \
	CRB_CALL_ROW_(call, 0, 1, { arg, UINT32_MAX, (uint32_t)(value) })
/* None of these bits of an argument is set. */
#define CRB_CALL_WITHOUT(call, arg, bits) \
	CRB_CALL_ROW_(call, 0, 1, { arg, (uint64_t)(bits), 0 })
/* Of these bits of an argument exactly `value` are set. */
#define CRB_CALL_BITS(call, arg, bits, value) \
	CRB_CALL_ROW_(call, 0, 1, { arg, (uint64_t)(bits), (uint64_t)(value) })
/* Two arguments have these values. */
#define CRB_CALL_WITH2(call, arg1, value1, arg2, value2)                    \
	CRB_CALL_ROW_(call, 0, 2, { arg1, UINT32_MAX, (uint32_t)(value1) }, \
	    { arg2, UINT32_MAX, (uint32_t)(value2) })
/*
 * socketpair() of this type, whatever its flags.  Never one of datagrams: its
 * ends send to any such socket of the host that they can name.
 */
#define CRB_CALL_PAIR(type)                                         \
	CRB_CALL_ROW_(socketpair, 0, 2, { 0, UINT32_MAX, AF_UNIX }, \
	    { 1, CRB_SOCKET_TYPE_MASK, type })
#define CRB_SOCKET_TYPE_MASK 0xf /* linux/net.h: SOCK_TYPE_MASK */
/* An argument is the process's own pid. */
#define CRB_OWN_PID UINT64_MAX
#define CRB_CALL_OWN(call, arg) \
	CRB_CALL_ROW_(call, 0, 1, { arg, UINT32_MAX, CRB_OWN_PID })
/* For what libraries try and do without. */
#define CRB_CALL_FAILS(call, err) CRB_CALL_ROW_(call, err, 0, { 0, 0, 0 })
#define CRB_CALL_FAILS_WITH(call, err, arg, value) \
	CRB_CALL_ROW_(call, err, 1, { arg, UINT32_MAX, (uint32_t)(value) })

/* What each process does: memory, time, descriptors that it has, its end. */
extern const struct crb_syscall crb_calls_base[];
/* To start threads, and never a process. */
extern const struct crb_syscall crb_calls_threads[];
/*
 * What a build with sanitizers or with coverage needs besides, in every
 * process.  Empty in any other build.
 */
extern const struct crb_syscall crb_calls_instrumented[];

/*
 * Bind the process, all its threads included, to these tables; the list ends
 * with NULL.  It needs no privilege, and there is no way back.
 */
CRB_NODISCARD enum crb_status crb_calls_confine(
    const struct crb_syscall *const *tables, struct crb_err *err);

#endif /* !CRB_CALLS_H */
