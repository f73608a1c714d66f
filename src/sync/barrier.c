/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * barrier.c - a number of threads meet, and go on together
 *
 * The last one to come detaches the queue of the others and with that leaves the barrier ready for the next round. From
 * then on nobody of this round touches it: one of them may free it while the rest still sleeps.
 */
#include <errno.h>

#include "base/compiler.h"
#include "sync/waiters.h"

EXPORT int ell_barrier_init(struct ell_barrier *br, uint32_t count)
{
	if (count == 0)
		return EINVAL;
	*br = (struct ell_barrier){.br_count = count};
	return 0;
}

EXPORT int ell_barrier_finish(struct ell_barrier *br)
{
	return waiters_seem_empty(&br->br_waiters) ? 0 : EBUSY;
}

EXPORT int ell_barrier_wait(struct ell_barrier *br)
{
	struct ell_waiter wn = {.wn_thread = thread_self()};
	struct ell_waiter *others;

	if (UNLIKELY(br->br_count == 0))
		return EINVAL;
	lock_acquire(&br->br_waiters.wq_lock);
	if (br->br_waiters.wq_count + 1 < br->br_count) {
		waiters_append(&br->br_waiters, &wn);
		waiters_wait(&br->br_waiters, &wn, PARK_BARRIER, ELL_FOREVER);
		return 0;
	}
	others = waiters_detach(&br->br_waiters);
	lock_release(&br->br_waiters.wq_lock);
	waiters_wake_all(others);
	return ELL_BARRIER_SERIAL;
}
