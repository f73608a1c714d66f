/* SPDX-License-Identifier: BSD-2-Clause */
/* cpus.c - how many CPUs the process may use */
#include "sys/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

unsigned cpus_of_quota(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long quota, period, cpus = 0;

	if (!file)
		return 0;
	/* "max 100000" or "150000 100000": microseconds of CPU time in each period. */
	if (fscanf(file, "%llu %llu", &quota, &period) == 2 && period > 0 && quota > 0)
		cpus = quota / period + (quota % period != 0);
	fclose(file);
	return cpus > UINT_MAX ? 0 : (unsigned)cpus;
}

/* The path of the process in the hierarchy of version 2: the line "0::/path" of /proc/self/cgroup. */
static int own_group(char *path, size_t size)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];
	int found = 0;

	if (!file)
		return 0;
	while (!found && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "0::/", 4) == 0) {
			line[strcspn(line, "\n")] = '\0';
			found = (size_t)snprintf(path, size, "%s", line + 3) < size;
		}
	}
	fclose(file);
	return found;
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

unsigned cpus_allowed(void)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	unsigned cpus = 1;
	cpu_set_t set;

	/* A machine with more CPUs than the set holds refuses: 1 would be wrong, but an override is there. */
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		cpus = (unsigned)CPU_COUNT(&set);
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		unsigned quota = group_quota(mounts[i]);

		if (quota && quota < cpus)
			cpus = quota;
	}
	return cpus;
}
