/* Runs a fuzz target over every file of the folders it is given. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPLAY_MAX (1u << 20)

static int
replay_file(const char *folder, const char *name)
{
	static uint8_t bytes[REPLAY_MAX];
	char path[4096];
	FILE *file;
	size_t len;
	uint8_t *exact;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >=
	    (int)sizeof(path))
		return -1;
	if ((file = fopen(path, "rb")) == NULL)
		return -1;
	len = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	/* Exactly sized, so that the sanitizer sees a read past the end. */
	if ((exact = malloc(len > 0 ? len : 1)) == NULL)
		return -1;
	memcpy(exact, bytes, len);
	(void)LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned count = 0;
	struct dirent *entry;
	DIR *dir;

	for (int i = 1; i < argc; i++) {
		if ((dir = opendir(argv[i])) == NULL) {
			perror(argv[i]);
			return 1;
		}
		while ((entry = readdir(dir)) != NULL) {
			if (entry->d_name[0] == '.')
				continue;
			if (replay_file(argv[i], entry->d_name) != 0)
				return 1;
			count++;
		}
		(void)closedir(dir);
	}
	printf("%u inputs replayed\n", count);
	return count > 0 ? 0 : 1;
}
