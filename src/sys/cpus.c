/* SPDX-License-Identifier: BSD-2-Clause */
/* cpus.c - how many CPUs the process may use */
#include "sys/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sys/sys.h"

/* The beginning of the file at PATH as a string: what fits, "" if there is none. */
static void read_file(const char *path, char *text, size_t size)
{
	int fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	size_t used = 0;
	ssize_t n;

	text[0] = '\0';
	if (fd < 0)
		return;
	do {
		n = sys.read(fd, text + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	text[used] = '\0';
	sys.close(fd);
}

unsigned cpus_of_quota(const char *path)
{
	unsigned long long quota, period, cpus = 0;
	char text[64];

	read_file(path, text, sizeof(text));
	/* "max 100000" or "150000 100000": microseconds of CPU time in each period. */
	if (sscanf(text, "%llu %llu", &quota, &period) == 2 && period > 0 && quota > 0)
		cpus = quota / period + (quota % period != 0);
	return cpus > UINT_MAX ? 0 : (unsigned)cpus;
}

/* The path of the process in the hierarchy of version 2: the line "0::/path" of /proc/self/cgroup. */
static bool own_group(char *path, size_t size)
{
	char text[2 * PATH_MAX];
	const char *line = text;

	read_file("/proc/self/cgroup", text, sizeof(text));
	while (line && strncmp(line, "0::/", 4) != 0) {
		line = strchr(line, '\n');
		line += line != NULL;
	}
	if (!line)
		return false;
	return (size_t)snprintf(path, size, "%.*s", (int)strcspn(line + 3, "\n"), line + 3) < size;
}

/* The tightest quota from the process's own group up to the root. */
static unsigned group_quota(const char *mount)
{
	char group[PATH_MAX], path[2 * PATH_MAX];
	unsigned least = 0;

	if (!own_group(group, sizeof(group)))
		return 0;
	for (;;) {
		char *slash = strrchr(group, '/');
		unsigned cpus;

		snprintf(path, sizeof(path), "%s%s/cpu.max", mount, group[1] ? group : "");
		cpus = cpus_of_quota(path);
		if (cpus && (!least || cpus < least))
			least = cpus;
		if (!slash || !group[1])
			return least;
		slash[slash == group] = '\0';
	}
}

unsigned cpus_allowed(const cpu_set_t *set)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	unsigned cpus = 1;
	cpu_set_t own;

	/* A machine with more CPUs than the set holds refuses: 1 would be wrong, but an override is there. */
	if (!set && sys.sched_getaffinity(0, sizeof(own), &own) == 0)
		set = &own;
	if (set && CPU_COUNT(set) > 0)
		cpus = (unsigned)CPU_COUNT(set);
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		unsigned quota = group_quota(mounts[i]);

		if (quota && quota < cpus)
			cpus = quota;
	}
	return cpus;
}
