/* SPDX-License-Identifier: BSD-2-Clause */
/* clock.c - the present */
#include <ellula/time.h>
#include <time.h>

#include "base/compiler.h"
#include "sys/sys.h"

EXPORT ell_time ell_now(void)
{
	struct timespec ts;

	sys.clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * ELL_SEC + ts.tv_nsec;
}

EXPORT ell_time ell_after(int64_t ns)
{
	ell_time sum;

	return __builtin_add_overflow(ell_now(), ns, &sum) ? ELL_FOREVER : sum;
}
