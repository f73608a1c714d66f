/* SPDX-License-Identifier: BSD-2-Clause */
/* descriptors.c - which descriptors a case opened and left open */
#include "harness/descriptors.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"

enum { MOST = 1 << 20, TRIES = 100, NAP_US = 1000 };

static unsigned char was_open[MOST];

static const char *const the_runtimes[] = {"anon_inode:[io_uring]", "anon_inode:[eventpoll]", "anon_inode:[eventfd]"};

static bool is_the_runtimes(const char *target)
{
	for (size_t i = 0; i < ARRAY_SIZE(the_runtimes); i++)
		if (strcmp(target, the_runtimes[i]) == 0)
			return true;
	return false;
}

/* The next descriptor in DIR, but for DIR's own; -1 at the end. */
static int next_open(DIR *dir)
{
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		int fd = entry->d_name[0] == '.' ? -1 : atoi(entry->d_name);

		if (fd >= 0 && fd < MOST && fd != dirfd(dir))
			return fd;
	}
	return -1;
}

void descriptors_remember(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int fd;

	if (!dir)
		return;
	memset(was_open, 0, sizeof(was_open));
	while ((fd = next_open(dir)) >= 0)
		was_open[fd] = 1;
	closedir(dir);
}

static bool are_open(char *text, size_t size, bool in_runtime)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t used = 0;
	int fd;

	if (!dir)
		return false;
	while ((fd = next_open(dir)) >= 0) {
		char path[64];
		char target[128];
		ssize_t n;

		if (was_open[fd])
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (in_runtime && is_the_runtimes(target))
			continue;
		if (used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%d -> %s", used ? ", " : "", fd, target);
	}
	closedir(dir);
	return used > 0;
}

bool descriptors_leaked(char *text, size_t size, bool in_runtime)
{
	/*
	 * Another kernel thread may be reading a file in /sys or /proc just now: the C library's malloc, or the
	 * monitor.
	 */
	for (int tries = 0; tries < TRIES; tries++) {
		if (!are_open(text, size, in_runtime))
			return false;
		usleep(NAP_US);
	}
	return true;
}
