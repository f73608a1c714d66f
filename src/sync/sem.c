/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sem.c - a counting semaphore
 *
 * States of sm_units, and who moves it:
 *
 *	n		n units are there, 0 <= n <= ELL_SEM_MAX; nobody is in the queue
 *	WAITERS		none is there; the queue is not empty
 *
 *	n -> n - 1	wait, by compare-and-swap
 *	n -> n + 1	post, by compare-and-swap
 *	0 -> WAITERS	who is about to queue, under wq_lock, by compare-and-swap
 *	WAITERS -> 0	post, or the waiter that gives up, when it takes out the last node, under wq_lock
 *
 * post hands its unit to the oldest waiter, so nobody overtakes a waiter, and a semaphore may be freed as soon as the
 * unit that tells so has arrived: post lets go with its last access, as unlock does in mutex.c.
 *
 * Ordering: ORD sem-1, the swap that takes a unit, pairs with ORD sem-2, the swap that put it there.
 */
#include <errno.h>

#include "base/compiler.h"
#include "sync/waiters.h"

#define SEM_WAITERS (UINT32_C(1) << 31)

EXPORT int ell_sem_init(struct ell_sem *sm, uint32_t count)
{
	if (count > ELL_SEM_MAX)
		return EINVAL;
	*sm = (struct ell_sem){.sm_units = count};
	return 0;
}

EXPORT int ell_sem_finish(struct ell_sem *sm)
{
	return load_relaxed(&sm->sm_units) & SEM_WAITERS ? EBUSY : 0;
}

/* Takes a unit if there is one. *SEEN is what the word was. */
static inline bool take(struct ell_sem *sm, uint32_t *seen)
{
	*seen = load_relaxed(&sm->sm_units);
	while (*seen != 0 && *seen != SEM_WAITERS)
		if (cas_acquire(&sm->sm_units, seen, *seen - 1)) /* ORD sem-1: pairs with ORD sem-2 */
			return true;
	return false;
}

static NOINLINE int wait_slow(struct ell_sem *sm, ell_time until)
{
	struct ell_waiter wn = {.wn_thread = thread_self()};
	uint32_t seen;

	lock_acquire(&sm->sm_waiters.wq_lock);
	do {
		if (take(sm, &seen)) {
			lock_release(&sm->sm_waiters.wq_lock);
			return 0;
		}
	} while (seen != SEM_WAITERS && !cas_acquire(&sm->sm_units, &seen, SEM_WAITERS));
	waiters_append(&sm->sm_waiters, &wn);
	if (waiters_wait(&sm->sm_waiters, &wn, PARK_SEM, until))
		return 0;

	if (waiters_empty(&sm->sm_waiters))
		store_relaxed(&sm->sm_units, 0u);
	lock_release(&sm->sm_waiters.wq_lock);
	return ETIMEDOUT;
}

EXPORT int ell_sem_wait_until(struct ell_sem *sm, ell_time until)
{
	uint32_t seen;

	return LIKELY(take(sm, &seen)) ? 0 : wait_slow(sm, until);
}

EXPORT int ell_sem_wait(struct ell_sem *sm)
{
	uint32_t seen;

	return LIKELY(take(sm, &seen)) ? 0 : wait_slow(sm, ELL_FOREVER);
}

EXPORT int ell_sem_trywait(struct ell_sem *sm)
{
	uint32_t seen;

	return take(sm, &seen) ? 0 : EAGAIN;
}

/* Hands a unit to the oldest waiter: false if all have given up meanwhile. */
static bool grant(struct ell_sem *sm)
{
	struct ell_waiter *wn;
	park_ticket ticket;

	lock_acquire(&sm->sm_waiters.wq_lock);
	wn = waiters_oldest(&sm->sm_waiters);
	if (!wn) {
		if (UNLIKELY(runtime.rt_forked) && load_relaxed(&sm->sm_units) == SEM_WAITERS)
			store_relaxed(&sm->sm_units, 0u);
		lock_release(&sm->sm_waiters.wq_lock);
		return false;
	}
	ticket = waiters_grant(&sm->sm_waiters, wn);
	if (waiters_empty(&sm->sm_waiters))
		store_relaxed(&sm->sm_units, 0u);
	lock_release(&sm->sm_waiters.wq_lock);
	park_unpark(ticket);
	return true;
}

EXPORT int ell_sem_post(struct ell_sem *sm)
{
	uint32_t seen = load_relaxed(&sm->sm_units);

	for (;;) {
		if (UNLIKELY(seen == SEM_WAITERS)) {
			if (grant(sm))
				return 0;
			seen = load_relaxed(&sm->sm_units);
		} else if (UNLIKELY(seen == ELL_SEM_MAX)) {
			return EOVERFLOW;
		} else if (cas_release(&sm->sm_units, &seen, seen + 1)) { /* ORD sem-2: pairs with ORD sem-1 */
			return 0;
		}
	}
}
