/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mutex.c - a lock with an owner, handed from one to the next
 *
 * States of mx_owner, and who moves it:
 *
 *	0			free; nobody is in the queue
 *	owner			locked; nobody is in the queue
 *	owner | WAITERS		locked; the queue is not empty
 *
 *	0 -> owner		anybody: lock
 *	owner -> 0		the owner: unlock
 *	owner -> owner|WAITERS	who is about to queue, or puts others into the queue (cond.c), under wq_lock
 *	owner|WAITERS -> next	the owner, under wq_lock: unlock hands the mutex to the oldest waiter
 *	owner|WAITERS -> owner	the last waiter that gives up, under wq_lock
 *	owner -> heir		the owner, WAITERS staying as it is: unlock hands the mutex to the heir
 *
 * The owner is changed by the owner alone and WAITERS under wq_lock alone, so each side uses compare-and-swap, but for
 * who is both. A mutex that nobody waits for costs one to lock and one to unlock.
 *
 * The heir is a waiter that the owner has taken out of a condition's queue, and has not put into this one, because that
 * was empty: so it comes before all who queue later. mx_heir is the owner's own, and goes with the ownership: it needs
 * no lock, which makes a signal with the mutex locked cheaper by one locked instruction of two. Whoever is heir stays
 * until it is unparked; a waiter with a deadline could go away, and is not made heir.
 *
 * Hand-off: unlock makes the oldest waiter the owner; the one that wakes up does not compete. Nobody can starve, and
 * nobody is woken in vain. The price is that a mutex fought over by running threads goes round by switches; a thread
 * that wants it back at once queues like the others.
 *
 * Lifetime: a mutex may be freed as soon as its last user has unlocked it, as POSIX wants for a mutex inside an object
 * that it guards. Therefore unlock lets go of the mutex with its very last access: by the compare-and-swap to 0, which
 * is never tried while wq_lock is held; or by the release of wq_lock, before which the next owner does not run
 * (waiters.h). If unlock takes wq_lock and finds that the waiters have given up, it releases wq_lock and starts again.
 *
 * The new owner is woken with park_unpark(), not with park_unpark_next(): who unlocks goes on computing, and the thread
 * that now owns the mutex should be where an idle vCPU can take it. cond.c is where the unlocker waits at once.
 *
 * Ordering: ORD mutex-1, the swap of who locks, pairs with ORD mutex-2, the swap of who unlocked. A hand-off is ordered
 * by wq_lock, and by unpark and commit.
 */
#include "sync/mutex.h"

#include <errno.h>

#include "base/compiler.h"

EXPORT void ell_mutex_init(struct ell_mutex *mx)
{
	*mx = (struct ell_mutex)ELL_MUTEX_INIT;
}

EXPORT int ell_mutex_finish(struct ell_mutex *mx)
{
	return load_relaxed(&mx->mx_owner) ? EBUSY : 0;
}

static inline bool take(struct ell_mutex *mx, ell_thread self, uint64_t *seen)
{
	*seen = 0;
	return cas_acquire(&mx->mx_owner, seen, self); /* ORD mutex-1: pairs with ORD mutex-2 */
}

bool mutex_take_or_flag(struct ell_mutex *mx, ell_thread thread, ell_thread self)
{
	uint64_t seen = load_relaxed(&mx->mx_owner);

	for (;;) {
		if (seen & MUTEX_WAITERS)
			return false;
		if (seen == 0) {
			if (take(mx, thread, &seen))
				return true;
		} else if (seen == self) {
			store_relaxed(&mx->mx_owner, self | MUTEX_WAITERS);
			return false;
		} else if (cas_acquire(&mx->mx_owner, &seen, seen | MUTEX_WAITERS)) {
			return false;
		}
	}
}

static NOINLINE int lock_slow(struct ell_mutex *mx, ell_thread self, ell_time until)
{
	struct ell_waiter wn = {.wn_thread = self};

	if (mutex_is_owner(mx, self))
		return EDEADLK;
	lock_acquire(&mx->mx_waiters.wq_lock);
	if (mutex_take_or_flag(mx, self, self)) {
		lock_release(&mx->mx_waiters.wq_lock);
		return 0;
	}
	waiters_append(&mx->mx_waiters, &wn);
	if (waiters_wait(&mx->mx_waiters, &wn, PARK_MUTEX, until))
		return 0;

	if (waiters_empty(&mx->mx_waiters))
		fetch_and_seq_cst(&mx->mx_owner, ~MUTEX_WAITERS); /* the owner may be handing it to the heir */
	lock_release(&mx->mx_waiters.wq_lock);
	return ETIMEDOUT;
}

EXPORT int ell_mutex_lock_until(struct ell_mutex *mx, ell_time until)
{
	ell_thread self = thread_self();
	uint64_t seen;

	if (LIKELY(take(mx, self, &seen)))
		return 0;
	return lock_slow(mx, self, until);
}

EXPORT int ell_mutex_lock(struct ell_mutex *mx)
{
	ell_thread self = thread_self();
	uint64_t seen;

	if (LIKELY(take(mx, self, &seen)))
		return 0;
	return lock_slow(mx, self, ELL_FOREVER);
}

EXPORT int ell_mutex_trylock(struct ell_mutex *mx)
{
	uint64_t seen;

	return take(mx, thread_self(), &seen) ? 0 : EBUSY;
}

static park_ticket hand_to_heir(struct ell_mutex *mx, ell_thread self)
{
	struct ell_waiter *wn = mx->mx_heir;
	park_ticket ticket = wn->wn_ticket;
	uint64_t seen = self;

	store_relaxed(&mx->mx_heir, NULL);
	while (!cas_release(&mx->mx_owner, &seen, wn->wn_thread | (seen & MUTEX_WAITERS)))
		;
	return ticket;
}

/* To the oldest of the queue: 0 if all have given up meanwhile. */
static park_ticket hand_to_oldest(struct ell_mutex *mx)
{
	struct ell_waiter *wn;
	park_ticket ticket = 0;

	lock_acquire(&mx->mx_waiters.wq_lock);
	wn = waiters_oldest(&mx->mx_waiters);
	if (!wn && UNLIKELY(runtime.rt_forked))
		store_release(&mx->mx_owner, 0);
	if (wn) {
		uint64_t next = wn->wn_thread;

		ticket = waiters_grant(&mx->mx_waiters, wn);
		store_relaxed(&mx->mx_owner, waiters_empty(&mx->mx_waiters) ? next : next | MUTEX_WAITERS);
	}
	lock_release(&mx->mx_waiters.wq_lock);
	return ticket;
}

park_ticket mutex_release(struct ell_mutex *mx, ell_thread self)
{
	uint64_t seen = load_relaxed(&mx->mx_owner);
	park_ticket ticket;

	if (mx->mx_heir)
		return hand_to_heir(mx, self);
	for (;;) {
		if (!(seen & MUTEX_WAITERS)) {
			if (cas_release(&mx->mx_owner, &seen, 0)) /* ORD mutex-2: pairs with ORD mutex-1 */
				return 0;
			continue;
		}
		ticket = hand_to_oldest(mx);
		if (ticket)
			return ticket;
		seen = load_relaxed(&mx->mx_owner);
	}
}

static NOINLINE int unlock_slow(struct ell_mutex *mx, ell_thread self)
{
	park_ticket next;

	if (!mutex_is_owner(mx, self))
		return EPERM;
	next = mutex_release(mx, self);
	if (next)
		park_unpark(next);
	return 0;
}

EXPORT int ell_mutex_unlock(struct ell_mutex *mx)
{
	ell_thread self = thread_self();
	uint64_t seen = self;

	/* ORD mutex-2: pairs with ORD mutex-1 */
	if (LIKELY(!load_relaxed(&mx->mx_heir) && cas_release(&mx->mx_owner, &seen, 0)))
		return 0;
	return unlock_slow(mx, self);
}
