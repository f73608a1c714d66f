/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slices.c - how long threads run between two switches
 *
 * Two looks at the clock would be a third of a switch's cost, so slices are only timed for who watches for stalls. Then
 * every switch goes through the scheduler context (see TURNS in sched/switch.c), which times what it runs, and the fast
 * way from thread to thread knows nothing of it.
 */
#include "sched/slices.h"

#include <ellula/stats.h>
#include <stdio.h>

#include "base/atomic.h"
#include "base/panic.h"
#include "sched/vcpu.h"

enum { SHORTEST_BITS = 10 };

bool slices_timed;

void slices_count(struct lwp *lw, ell_time begin)
{
	uint64_t ns = (uint64_t)(ell_now() - begin) >> SHORTEST_BITS;
	unsigned i = ns ? 64 - (unsigned)__builtin_clzll(ns) : 0;

	count_up(&lw->lw_slices[i < ELL_SLICES ? i : ELL_SLICES - 1], 1);
}

void slices_say(void)
{
	char text[ELL_SLICES * 32] = "";
	struct ell_stats stats;
	size_t used = 0;

	if (!slices_timed)
		return;
	ell_stats_get(&stats);
	for (unsigned i = 0; i < ELL_SLICES; i++) {
		const char *than = i < ELL_SLICES - 1 ? "<" : ">=";
		double us = (double)(UINT64_C(1) << (SHORTEST_BITS + i - (i == ELL_SLICES - 1))) / 1000;

		if (stats.slices[i])
			used += (size_t)snprintf(text + used, sizeof(text) - used, "  %s%.4g%s %llu", than,
						 us < 1000 ? us : us / 1000, us < 1000 ? "us" : "ms",
						 (unsigned long long)stats.slices[i]);
	}
	complain("slices of threads, each bound twice the one before:%s", text);
}
