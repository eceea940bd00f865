/*
 * How long a program takes, from its start to its end.
 * spawn COUNT PROGRAM [ARGUMENT...]
 * Its standard input is /dev/null, or the file that $SPAWN_INPUT names.
 */
#include <sys/wait.h>

#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/sample.h"

int
main(int argc, char **argv)
{
	const char *input = getenv("SPAWN_INPUT");
	struct sample sample = { .count = 0 };
	posix_spawn_file_actions_t actions;
	size_t count;

	if (argc < 3)
		errx(2, "usage: spawn COUNT PROGRAM [ARGUMENT...]");
	count = strtoul(argv[1], NULL, 10);
	if (posix_spawn_file_actions_init(&actions) != 0 ||
	    posix_spawn_file_actions_addopen(&actions, 0,
		input != NULL ? input : "/dev/null", O_RDONLY, 0) != 0 ||
	    posix_spawn_file_actions_addopen(
		&actions, 1, "/dev/null", O_WRONLY, 0) != 0)
		err(1, "memory");
	for (size_t i = 0; i < count; i++) {
		uint64_t at = now_ns();
		int status;
		pid_t pid;

		if (posix_spawn(
			&pid, argv[2], &actions, NULL, argv + 2, environ) != 0)
			err(1, "%s", argv[2]);
		if (waitpid(pid, &status, 0) != pid || status != 0)
			errx(1, "%s: status %#x", argv[2], (unsigned)status);
		sample_add(&sample, now_ns() - at);
	}
	printf("{");
	sample_print(&sample);
	printf("}\n");
	return 0;
}
