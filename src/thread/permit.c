/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * permit.c - park and unpark for everybody: a permit, at most one
 *
 * th_permit holds a state and, above it, how often the descriptor was used, which is in the id, too; or in the state
 * WAITED the ticket of the thread.
 *
 *	NONE -> WAITED		the thread
 *	WAITED -> NONE		the thread, when its deadline has passed; or an unpark, which then ends the sleep
 *	NONE -> GIVEN		an unpark
 *	GIVEN -> NONE		the thread
 *
 * What an earlier user of the descriptor has left, or gets from an unpark that comes too late, has another number, and
 * is as good as NONE. An unpark that finds WAITED asks whose it is: if the id is still in use then, it is that
 * thread's.
 */
#include <errno.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "sched/current.h"

enum permit_state { NONE, GIVEN, WAITED, STATE_BITS = 2, STATE_MASK = 3 };

static uint64_t word_of(ell_thread id, enum permit_state state)
{
	return id >> THREAD_INDEX_BITS << STATE_BITS | state;
}

/* Takes the permit of TH, the caller, if there is one; else its word becomes WAITED: false. */
static bool consume_or_wait(struct thread *th, uint64_t waited)
{
	const uint64_t given = word_of(th->th_id, GIVEN);
	uint64_t old = load_relaxed(&th->th_permit);

	while (!cas_acq_rel(&th->th_permit, &old, old == given ? word_of(th->th_id, NONE) : waited))
		;
	return old == given;
}

EXPORT bool ell_park_until(ell_time until)
{
	struct thread *th = thread_current();

	for (;;) {
		park_ticket ticket = park_prepare();
		uint64_t waited = ticket << STATE_BITS | WAITED;

		if (consume_or_wait(th, waited)) {
			park_cancel(ticket);
			return true;
		}
		if (park_commit(ticket, PARK_PERMIT, until))
			return true;
		if (cas_acq_rel(&th->th_permit, &waited, word_of(th->th_id, NONE)))
			return false;
		/* An unpark took the ticket, and found the sleep over: it gives the permit instead. */
		until = ELL_FOREVER;
	}
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
		bool waits = (old & STATE_MASK) == WAITED;

		if (waits && load_acquire(&th->th_id) != thread)
			return ESRCH;
		if (!cas_acq_rel(&th->th_permit, &old, word_of(thread, waits ? NONE : GIVEN)))
			continue;
		if (!waits || park_unpark(old >> STATE_BITS))
			return 0;
		old = word_of(thread, NONE);
	}
}
