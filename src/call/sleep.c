/* SPDX-License-Identifier: BSD-2-Clause */
/* sleep.c - let time pass */
#include <ellula/call.h>

#include "base/compiler.h"
#include "call/do.h"
#include "sched/current.h"
#include "sched/park.h"

EXPORT int ell_sleep_until(ell_time until)
{
	struct thread *th = thread_current();

	th->th_handled = false;
	/* Nobody else knows the ticket. */
	while (park_commit_open(park_prepare(), PARK_SLEEP, until, true) != PARK_EXPIRED) {
		if (th->th_handled)
			return (int)call_result(-EINTR);
	}
	return 0;
}

EXPORT int ell_nanosleep(const struct timespec *duration, struct timespec *remaining)
{
	int64_t ns, left;
	ell_time until;
	int result;

	if (!duration)
		return (int)call_result(-EFAULT);
	if (duration->tv_sec < 0 || duration->tv_nsec < 0 || duration->tv_nsec >= ELL_SEC)
		return (int)call_result(-EINVAL);
	if (__builtin_mul_overflow((int64_t)duration->tv_sec, ELL_SEC, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)duration->tv_nsec, &ns))
		ns = INT64_MAX;
	until = ell_after(ns);
	result = ell_sleep_until(until);
	if (remaining) {
		left = result ? until - ell_now() : 0;
		left = left < 0 ? 0 : left;
		*remaining = (struct timespec){.tv_sec = left / ELL_SEC, .tv_nsec = left % ELL_SEC};
	}
	return result;
}
