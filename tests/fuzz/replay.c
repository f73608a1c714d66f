/* SPDX-License-Identifier: BSD-2-Clause */
/* replay.c - feeds the files of directories, each once, instead of what libFuzzer thinks up */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

enum { LONGEST = 1 << 20 };

static uint8_t *space;

static void replay(const char *dir, const char *name)
{
	char path[1024];
	ssize_t n;
	uint8_t *copy;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, space, LONGEST);
	if (n < 0) {
		perror(path);
		exit(1);
	}
	close(fd);
	/* Not one byte more, so that a look behind the end shows. */
	copy = malloc((size_t)n ? (size_t)n : 1);
	MUST(copy);
	memcpy(copy, space, (size_t)n);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(copy, (size_t)n);
	free(copy);
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	space = malloc(LONGEST);
	MUST(space && argc > 1);
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;

		MUST(dir);
		while ((entry = readdir(dir)) != NULL) {
			if (entry->d_name[0] != '.') {
				replay(argv[i], entry->d_name);
				count++;
			}
		}
		closedir(dir);
	}
	free(space);
	printf("corpus: %u passed, 0 failed, 0 skipped\n", count);
	return count ? 0 : 1;
}
