/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * permit.c - park and unpark for everybody: a permit, at most one
 *
 * States of th_permit: NONE; GIVEN; or the ticket of the thread, which waits for it, times two.
 *
 *	NONE -> ticket		the thread
 *	ticket -> NONE		the thread, when its deadline has passed; or an unpark, which then ends the sleep
 *	NONE -> GIVEN		an unpark
 *	GIVEN -> NONE		the thread
 */
#include <errno.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "sched/current.h"

enum { NONE, GIVEN };

static bool consume(struct thread *th)
{
	uint64_t given = GIVEN;

	return cas_acq_rel(&th->th_permit, &given, NONE);
}

EXPORT bool ell_park_until(ell_time until)
{
	struct thread *th = thread_current();

	while (!consume(th)) {
		park_ticket ticket = park_prepare();
		uint64_t mine = ticket << 1;
		uint64_t none = NONE;

		if (!cas_acq_rel(&th->th_permit, &none, mine)) {
			park_cancel(ticket);
			continue;
		}
		if (park_commit(ticket, PARK_PERMIT, until))
			return true;
		/* An unpark that took the ticket and found the sleep over gives the permit instead. */
		if (cas_acq_rel(&th->th_permit, &mine, NONE))
			return false;
		until = ELL_FOREVER;
	}
	return true;
}

EXPORT void ell_park(void)
{
	ell_park_until(ELL_FOREVER);
}

EXPORT int ell_unpark(ell_thread thread)
{
	struct thread *th = thread_find(thread);
	uint64_t old;

	if (!th)
		return ESRCH;
	old = load_acquire(&th->th_permit);
	for (;;) {
		uint64_t new = old <= GIVEN ? GIVEN : NONE;

		if (!cas_acq_rel(&th->th_permit, &old, new))
			continue;
		if (old <= GIVEN || park_unpark(old >> 1))
			return 0;
		old = NONE;
	}
}
