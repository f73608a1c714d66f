/* SPDX-License-Identifier: BSD-2-Clause */
/* rss.h - how much memory the process holds, as the kernel counts it */
#ifndef BENCH_RSS_H
#define BENCH_RSS_H

#include <errno.h>

#include "bench.h"

struct rss {
	double resident; /* bytes */
	double tables;	 /* bytes of page tables, which are not in it */
};

static inline struct rss rss_now(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	struct rss r = {0, 0};
	char line[256];

	if (f == NULL)
		bench_fail("/proc/self/status", errno);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "VmRSS:", 6) == 0)
			r.resident = 1024 * atof(line + 6);
		else if (strncmp(line, "VmPTE:", 6) == 0)
			r.tables = 1024 * atof(line + 6);
	}
	fclose(f);
	return r;
}

#endif
