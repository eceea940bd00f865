/*
 * Each process's filter, in a process of its own: what it forbids kills, and
 * what is needed is let through.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../fakes/forbidden.h"
#include "broker/core/confinement.h"
#include "broker/egress/confinement.h"
#include "broker/gateway/confinement.h"
#include "broker/kdf/confinement.h"
#include "broker/supervisor/confinement.h"

static const struct crb_confinement *const all[] = {
	&crb_supervisor_confinement, &crb_core_confinement,
	&crb_gateway_confinement, &crb_egress_confinement, &crb_kdf_confinement
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
test_none_may_do_what_none_needs(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		crb_all_killed(all[i], crb_tries_never);
}

static void
test_only_the_supervisor_starts_processes(void **state)
{
	(void)state;
	for (size_t i = 1; i < COUNT(all); i++)
		crb_all_killed(all[i], crb_tries_process);
}

static void
test_only_egress_and_supervisor_have_sockets(void **state)
{
	(void)state;
	crb_all_killed(&crb_core_confinement, crb_tries_socket);
	crb_all_killed(&crb_gateway_confinement, crb_tries_socket);
	crb_all_killed(&crb_kdf_confinement, crb_tries_socket);
}

static void
test_gateway_and_kdf_have_no_files(void **state)
{
	(void)state;
	crb_all_killed(&crb_gateway_confinement, crb_tries_file);
	crb_all_killed(&crb_kdf_confinement, crb_tries_file);
}

static long
open_to_read(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static long
open_to_write(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/nowhere/x", O_WRONLY);
}

static long
open_to_make(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/nowhere/x", O_CREAT, 0600);
}

static long
open_to_empty(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/nowhere/x", O_TRUNC);
}

static long
unlink_one(void)
{
	return syscall(SYS_unlinkat, AT_FDCWD, "/nowhere/x", 0);
}

static long
socket_inet(void)
{
	return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static long
socket_unix(void)
{
	return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}

static long
listen_for_others(void)
{
	return syscall(SYS_listen, -1, 1);
}

static void
test_egress_reads_files_and_writes_none(void **state)
{
	static const struct crb_try may[] = { { "read", open_to_read },
		{ "inet", socket_inet }, { NULL, NULL } };
	static const struct crb_try must_not[] = { { "write", open_to_write },
		{ "make", open_to_make }, { "empty", open_to_empty },
		{ "unlink", unlink_one }, { "listen", listen_for_others },
		{ NULL, NULL } };

	(void)state;
	crb_all_made(&crb_egress_confinement, may);
	crb_all_killed(&crb_egress_confinement, must_not);
}

/* glibc asks nscd on one and does without when it gets none. */
static void
test_egress_gets_no_unix_socket_and_lives(void **state)
{
	static const struct crb_try attempt = { "unix", socket_unix };

	(void)state;
	assert_int_equal(
	    crb_try(&crb_egress_confinement, &attempt, EACCES), CRB_REFUSED);
}

static long
pair_of(int type)
{
	int pair[2];

	return syscall(SYS_socketpair, AF_UNIX, type | SOCK_CLOEXEC, 0, pair);
}

static long
pair_dgram(void)
{
	return pair_of(SOCK_DGRAM);
}

static long
pair_raw(void)
{
	return pair_of(SOCK_RAW);
}

static long
pair_stream(void)
{
	return pair_of(SOCK_STREAM);
}

static long
pair_seqpacket(void)
{
	return pair_of(SOCK_SEQPACKET);
}

/*
 * One end of such a pair could send to any socket of datagrams of the host: of
 * a file system, or an abstract one.
 */
static void
test_nobody_has_sockets_that_reach_others(void **state)
{
	static const struct crb_try must_not[] = { { "dgram", pair_dgram },
		{ "raw", pair_raw }, { NULL, NULL } };
	static const struct crb_try bus[] = { { "seqpacket", pair_seqpacket },
		{ NULL, NULL } };
	static const struct crb_try wake[] = { { "stream", pair_stream },
		{ NULL, NULL } };

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		crb_all_killed(all[i], must_not);
	crb_all_made(&crb_supervisor_confinement, bus);
	crb_all_made(&crb_core_confinement, bus);
	crb_all_made(&crb_egress_confinement, wake);
}

static long
chmod_all(void)
{
	return syscall(SYS_fchmod, -1, 0644);
}

static long
chmod_setuid(void)
{
	return syscall(SYS_fchmod, -1, 04600);
}

static long
chmod_own(void)
{
	return syscall(SYS_fchmod, -1, 0600);
}

/* Landlock does not mind, and what the core may read may be its user's. */
static void
test_core_opens_no_file_to_others(void **state)
{
	static const struct crb_try must_not[] = { { "all", chmod_all },
		{ "setuid", chmod_setuid }, { NULL, NULL } };
	static const struct crb_try may[] = { { "own", chmod_own },
		{ NULL, NULL } };

	(void)state;
	crb_all_killed(&crb_core_confinement, must_not);
	crb_all_made(&crb_core_confinement, may);
}

static long
clone3(void)
{
	return syscall(SYS_clone3, NULL, 0);
}

/* clone3()'s flags are in memory, where no filter sees them. */
static void
test_threads_are_started_by_clone_only(void **state)
{
	static const struct crb_try attempt = { "clone3", clone3 };

	(void)state;
	assert_int_equal(
	    crb_try(&crb_core_confinement, &attempt, ENOSYS), CRB_REFUSED);
	assert_int_equal(
	    crb_try(&crb_egress_confinement, &attempt, ENOSYS), CRB_REFUSED);
	assert_int_equal(
	    crb_try(&crb_gateway_confinement, &attempt, 0), CRB_KILLED);
}

static long
poll_none(void)
{
	return syscall(SYS_poll, NULL, 0, 0);
}

static long
random_byte(void)
{
	char byte;

	return syscall(SYS_getrandom, &byte, 1, 0);
}

static long
map_memory(void)
{
	return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long
read_none(void)
{
	return syscall(SYS_read, -1, NULL, 0);
}

static long
write_none(void)
{
	return syscall(SYS_write, -1, NULL, 0);
}

static long
signal_another(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static long
signal_itself(void)
{
	return syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0);
}

/* abort() does; the others have the same user, perhaps. */
static void
test_only_the_supervisor_signals_others(void **state)
{
	static const struct crb_try others[] = { { "another", signal_another },
		{ NULL, NULL } };
	static const struct crb_try own[] = { { "itself", signal_itself },
		{ NULL, NULL } };

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		crb_all_made(all[i], own);
	for (size_t i = 1; i < COUNT(all); i++)
		crb_all_killed(all[i], others);
}

static void
test_all_may_work(void **state)
{
	static const struct crb_try may[] = { { "poll", poll_none },
		{ "getrandom", random_byte }, { "mmap", map_memory },
		{ "read", read_none }, { "write", write_none },
		{ NULL, NULL } };

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		crb_all_made(all[i], may);
}

/* By a row that asks no more than this one. */
static bool
lets_through(
    const struct crb_confinement *confinement, const struct crb_syscall *wanted)
{
	for (unsigned i = 0; confinement->calls[i] != NULL; i++)
		for (const struct crb_syscall *call = confinement->calls[i];
		     call->name != NULL; call++)
			if (call->number == wanted->number &&
			    call->error == 0 &&
			    (call->checks == 0 ||
				(call->checks == wanted->checks &&
				    memcmp(call->check, wanted->check,
					sizeof(call->check)) == 0)))
				return true;
	return false;
}

static void
all_let_through(const struct crb_confinement *confinement)
{
	for (unsigned t = 0; confinement->calls[t] != NULL; t++)
		for (const struct crb_syscall *call = confinement->calls[t];
		     call->name != NULL; call++)
			if (call->error == 0 && !lets_through(all[0], call))
				fail_msg("the supervisor does not let %s "
					 "through",
				    call->name);
}

/* Filters are inherited: what it forbids, no other can be allowed. */
static void
test_supervisor_lets_through_what_the_others_may(void **state)
{
	(void)state;
	for (size_t i = 1; i < COUNT(all); i++)
		all_let_through(all[i]);
}

/* int 0x80 numbers its calls another way. */
static long
foreign_call(void)
{
#ifdef __x86_64__
	long result;

	/* 20 is getpid() there, writev() here. */
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
	return result;
#else
	return syscall(100000);
#endif
}

/* 0x40000000 is the mark of x32's calls. */
static long
x32_call(void)
{
	return syscall(0x40000000 + SYS_getpid);
}

static void
test_no_other_architecture_has_an_entry(void **state)
{
	static const struct crb_try attempts[] = { { "foreign", foreign_call },
		{ "x32", x32_call }, { NULL, NULL } };

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		crb_all_killed(all[i], attempts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_may_do_what_none_needs),
		cmocka_unit_test(test_only_the_supervisor_starts_processes),
		cmocka_unit_test(test_only_egress_and_supervisor_have_sockets),
		cmocka_unit_test(test_gateway_and_kdf_have_no_files),
		cmocka_unit_test(test_egress_reads_files_and_writes_none),
		cmocka_unit_test(test_egress_gets_no_unix_socket_and_lives),
		cmocka_unit_test(test_nobody_has_sockets_that_reach_others),
		cmocka_unit_test(test_core_opens_no_file_to_others),
		cmocka_unit_test(test_threads_are_started_by_clone_only),
		cmocka_unit_test(test_only_the_supervisor_signals_others),
		cmocka_unit_test(test_all_may_work),
		cmocka_unit_test(
		    test_supervisor_lets_through_what_the_others_may),
		cmocka_unit_test(test_no_other_architecture_has_an_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
