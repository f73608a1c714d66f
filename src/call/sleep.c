/* SPDX-License-Identifier: BSD-2-Clause */
/* sleep.c - let time pass */
#include <ellula/call.h>

#include "base/compiler.h"
#include "call/do.h"
#include "sched/park.h"

EXPORT int ell_sleep_until(ell_time until)
{
	/* Nobody else knows the ticket. */
	park_commit(park_prepare(), PARK_SLEEP, until);
	return 0;
}

EXPORT int ell_nanosleep(const struct timespec *duration, struct timespec *remaining)
{
	int64_t ns;

	if (!duration)
		return (int)call_result(-EFAULT);
	if (duration->tv_sec < 0 || duration->tv_nsec < 0 || duration->tv_nsec >= ELL_SEC)
		return (int)call_result(-EINVAL);
	if (__builtin_mul_overflow((int64_t)duration->tv_sec, ELL_SEC, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)duration->tv_nsec, &ns))
		ns = INT64_MAX;
	ell_sleep_until(ell_after(ns));
	if (remaining)
		*remaining = (struct timespec){0};
	return 0;
}
