/* SPDX-License-Identifier: BSD-2-Clause */
/* times.h - the kernel's times as deadlines */
#ifndef PERSONALITY_TIMES_H
#define PERSONALITY_TIMES_H

#include <ellula/time.h>
#include <limits.h>
#include <time.h>

#include "sys/sys.h"

/* TS, which is valid, in nanoseconds; what does not fit is ELL_FOREVER. */
static inline ell_time times_ns(const struct timespec *ts)
{
	return ts->tv_sec >= INT64_MAX / ELL_SEC ? ELL_FOREVER : ts->tv_sec * ELL_SEC + ts->tv_nsec;
}

/* So much later than now. */
static inline ell_time times_after(const struct timespec *ts)
{
	ell_time ns = times_ns(ts);

	return ns == ELL_FOREVER ? ELL_FOREVER : ell_after(ns);
}

/* When CLOCK shows TS, as it runs now. Never negative. */
static inline ell_time times_until(clockid_t clock, const struct timespec *ts)
{
	ell_time ns = times_ns(ts), left;
	struct timespec now;

	if (clock == CLOCK_MONOTONIC || ns == ELL_FOREVER)
		return ns;
	sys.clock_gettime(clock, &now);
	left = ns - times_ns(&now);
	return ell_after(left > 0 ? left : 0);
}

#endif
