/* SPDX-License-Identifier: BSD-2-Clause */
/* stats.h - what the runtime has done so far */
#ifndef ELLULA_STATS_H
#define ELLULA_STATS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ELL_SLICES = 24 };

struct ell_stats {
	unsigned vcpus;
	unsigned vcpus_active; /* of these: do not rest, see ell_vcpus_limit() */
	unsigned lwps;	       /* kernel threads that run threads, ever made: vCPUs, and spare ones */
	unsigned lwps_spare;   /* of these: wait for a vCPU */
	unsigned lwps_away;    /* of these: run a thread that blocks or computes, without vCPU */
	unsigned lwps_max;     /* ELLULA_LWPS_MAX */

	/* Counted since the start, over all vCPUs or LWPs. */
	uint64_t switches;   /* from thread to thread */
	uint64_t rounds;     /* looks at the kernel port and the timers */
	uint64_t steals;     /* threads that a vCPU took from another */
	uint64_t sleeps;     /* of LWPs with nothing to do */
	uint64_t handoffs;   /* vCPUs that went to another LWP */
	uint64_t handoff_ns; /* how long these took, from the decision until the other LWP had it */
	uint64_t kicks;	     /* signals to LWPs that are away, for what is in their rings */
	uint64_t interrupts; /* signals to LWPs, for upcalls */
	uint64_t gave_up; /* kernel threads that had spun for a short lock of the library's, and gave their CPU away */

	/*
	 * How long threads ran from one switch to the next, counted with ELLULA_STALL only: slices[0] under 1.024 us,
	 * slices[i] under 2^i times that, and not under the half; slices[ELL_SLICES - 1] longer ones, too.
	 */
	uint64_t slices[ELL_SLICES];
};

/*
 * Fills *STATS; all 0 before the start. The figures are of different moments, each at most a little old. Never switches
 * threads; not for signal handlers.
 */
void ell_stats_get(struct ell_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
