/* SPDX-License-Identifier: BSD-2-Clause */
/* stats.h - what ellula run --stats prints */
#ifndef PERSONALITY_STATS_H
#define PERSONALITY_STATS_H

#include <stdbool.h>
#include <stdint.h>

/* Counters that several add to, without order: near enough, when something is added in a moment that another adds. */
struct stats {
	uint64_t traps;	   /* calls that came by SIGSYS */
	uint64_t sites;	   /* call sites rewritten */
	uint64_t threads;  /* ever made */
	uint64_t waits;	   /* parked on a futex */
	uint64_t messages; /* sent for a blocking call */
	uint64_t helped;   /* calls given to a helper LWP */
};

extern struct stats stats;

/* Options, from the environment. */
extern bool stats_wanted, strict;

/* Prints them on stderr, if wanted. Context: T. */
void stats_print(void);

/* The program does what cannot be supported: with --strict this is its end, otherwise the call's result: -ENOSYS. */
int64_t refuse(const char *what);

#endif
