/* The real child, at the other end of a socket. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "broker/kdf/wire.h"

#define PATIENCE_MS 60000

static const struct crb_kdf_request request = {
	.cost = { crypto_pwhash_argon2id_OPSLIMIT_MODERATE,
	    crypto_pwhash_argon2id_MEMLIMIT_MODERATE },
	.salt = "0123456789abcde",
};

static pid_t pid;

static int
start_child(void)
{
	int pair[2], null;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	if ((pid = fork()) == 0) {
		/* What it logs is not for this test. */
		null = open("/dev/null", O_WRONLY);
		(void)dup2(null, STDERR_FILENO);
		if (dup2(pair[1], 10) == 10 && dup2(10, 3) == 3)
			(void)execl(CRB_KDF, "credbroker-kdf", (char *)NULL);
		_exit(125);
	}
	assert_int_not_equal(pid, -1);
	(void)close(pair[1]);
	return pair[0];
}

static int
wait_child(void)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static void
the_child_derives_what_we_would(void **state)
{
	CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;
	CRB_AUTO_KEY struct crb_key *key = NULL, *expected = NULL;
	CRB_AUTO_FD int sock = start_child();
	struct crb_err err;

	(void)state;
	assert_int_equal(
	    crb_secret_copy("correct horse", 13, &passphrase, &err), CRB_OK);
	assert_int_equal(crb_kdf_ask(sock, &request, passphrase, &err), CRB_OK);
	assert_int_equal(crb_kdf_answer(sock, PATIENCE_MS, &key, &err), CRB_OK);
	assert_int_equal(wait_child(), 0);
	assert_int_equal(
	    crb_vault_kdf(&request, passphrase, &expected, &err), CRB_OK);
	assert_memory_equal(
	    crb_key_bytes(key), crb_key_bytes(expected), CRB_KEY_BYTES);
}

/* Each is refused without an answer. */
static void
refused(const void *bytes, size_t len)
{
	CRB_AUTO_KEY struct crb_key *key = NULL;
	CRB_AUTO_FD int sock = start_child();
	struct crb_err err;

	assert_int_equal(send(sock, bytes, len, 0), (ssize_t)len);
	assert_int_equal(shutdown(sock, SHUT_WR), 0);
	assert_int_not_equal(
	    crb_kdf_answer(sock, PATIENCE_MS, &key, &err), CRB_OK);
	assert_int_equal(wait_child(), 1);
}

static void
a_malformed_request_is_refused(void **state)
{
	/* operations 3, memory 1 TiB, salt, one byte. */
	static const uint8_t greedy[37] = {
		[0] = 3, [13] = 1, [32] = 1, [36] = 'x'
	};
	/* A passphrase of 4 GiB. */
	static const uint8_t endless[40] = { [0] = 3,
		[11] = 16,
		[32] = 0xff,
		[33] = 0xff,
		[34] = 0xff,
		[35] = 0xff };
	static const uint8_t cut_off[40] = { [0] = 3, [11] = 16, [32] = 9 };

	(void)state;
	refused(greedy, sizeof(greedy));
	refused(endless, sizeof(endless));
	refused(cut_off, sizeof(cut_off));
	refused("x", 1);
}

static void
a_passphrase_over_the_maximum_is_not_sent(void **state)
{
	static const char bytes[CRB_PASSPHRASE_MAX + 1];
	CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;
	struct crb_err err;

	(void)state;
	assert_int_equal(
	    crb_secret_copy(bytes, sizeof(bytes), &passphrase, &err), CRB_OK);
	assert_int_equal(
	    crb_kdf_ask(-1, &request, passphrase, &err), CRB_ERR_TOO_LARGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_child_derives_what_we_would),
		cmocka_unit_test(a_malformed_request_is_refused),
		cmocka_unit_test(a_passphrase_over_the_maximum_is_not_sent),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
