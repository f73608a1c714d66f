/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cond.c - wait for a condition that a mutex guards
 *
 * A signalled waiter still needs the mutex. So signal does not wake it: when the mutex is locked, the node moves from
 * the queue of the condition to the queue of the mutex, and the thread wakes once, when unlock makes it the owner. When
 * the mutex is free, signal makes it the owner, and wakes it. When the caller owns the mutex and nobody waits for that,
 * the node goes to no queue at all: it becomes the heir (mutex.c).
 *
 * Which queue a node is in is told by numbers, and not in the node: waiters are numbered as they come, and leave the
 * condition, when signalled, in that order. Number N was signalled if N < cv_signalled. So broadcast moves a whole
 * queue in one step, whoever is in it.
 *
 * The waiter whose deadline has passed looks, under the condition's lock, at what came first. Not signalled: it takes
 * its node out, locks the mutex like anybody else and reports ETIMEDOUT. Signalled: that was in time, so it must not be
 * lost; the waiter sleeps on, with a new ticket, in its place in the queue of the mutex, unless it owns that already.
 *
 * Locks: the condition's wq_lock, then the mutex's. Signal holds both for the move and releases the condition's first:
 * from the release of the second on, the waiter may own the mutex, return, and free both objects (waiters.h).
 *
 * The waiter hands the mutex on with park_unpark_next(): it is about to sleep, and the next owner is as a rule the
 * thread that it has just signalled, with the data of both in the cache. Signal itself uses park_unpark(), as its
 * caller goes on.
 *
 * cv_mutex says which mutex the waiters have; it counts only as long as there are any.
 *
 * Between the announcement of its sleep and the release of the mutex a waiter may be signalled, and may then hand the
 * mutex to itself. That is in order: it does not sleep at all.
 */
#include <errno.h>

#include "base/compiler.h"
#include "sync/mutex.h"

EXPORT void ell_cond_init(struct ell_cond *cv)
{
	*cv = (struct ell_cond)ELL_COND_INIT;
}

EXPORT int ell_cond_finish(struct ell_cond *cv)
{
	return waiters_seem_empty(&cv->cv_waiters) ? 0 : EBUSY;
}

/* The deadline of WN has passed, and CV was signalled before: the result is 0, as soon as it owns MX. */
static void wait_for_mutex(struct ell_mutex *mx, struct ell_waiter *wn)
{
	/* Also when it is granted: the signaller may hold this lock still. */
	lock_acquire(&mx->mx_waiters.wq_lock);
	if (wn->wn_granted) {
		lock_release(&mx->mx_waiters.wq_lock);
		return;
	}
	wn->wn_ticket = park_prepare();
	waiters_wait(&mx->mx_waiters, wn, PARK_MUTEX, ELL_FOREVER);
}

static COLD int wait_late(struct ell_cond *cv, struct ell_mutex *mx, struct ell_waiter *wn)
{
	lock_acquire(&cv->cv_waiters.wq_lock);
	if (wn->wn_number < cv->cv_signalled) {
		lock_release(&cv->cv_waiters.wq_lock);
		wait_for_mutex(mx, wn);
		return 0;
	}
	waiters_remove(&cv->cv_waiters, wn);
	lock_release(&cv->cv_waiters.wq_lock);
	ell_mutex_lock(mx);
	return ETIMEDOUT;
}

static inline int wait_until(struct ell_cond *cv, struct ell_mutex *mx, ell_time until)
{
	struct ell_waiter wn;
	park_ticket ticket, next;

	wn.wn_thread = thread_self();
	wn.wn_patient = until == ELL_FOREVER;
	if (UNLIKELY(!mutex_is_owner(mx, wn.wn_thread)))
		return EPERM;
	lock_acquire(&cv->cv_waiters.wq_lock);
	if (UNLIKELY(cv->cv_mutex != mx)) {
		if (!waiters_empty(&cv->cv_waiters)) {
			lock_release(&cv->cv_waiters.wq_lock);
			return EINVAL;
		}
		cv->cv_mutex = mx;
	}
	wn.wn_number = cv->cv_next++;
	waiters_append(&cv->cv_waiters, &wn);
	ticket = wn.wn_ticket;
	lock_release(&cv->cv_waiters.wq_lock);

	next = mutex_release(mx, wn.wn_thread);
	if (next)
		park_unpark_next(next);
	if (LIKELY(park_commit(ticket, PARK_COND, until)))
		return 0;
	return wait_late(cv, mx, &wn);
}

EXPORT int ell_cond_wait_until(struct ell_cond *cv, struct ell_mutex *mx, ell_time until)
{
	return wait_until(cv, mx, until);
}

EXPORT int ell_cond_wait(struct ell_cond *cv, struct ell_mutex *mx)
{
	return wait_until(cv, mx, ELL_FOREVER);
}

/* Moves the oldest waiter, or all of them, to the mutex. */
static int move(struct ell_cond *cv, bool all)
{
	ell_thread self = thread_self();
	park_ticket ticket = 0;
	struct ell_waiter *wn;
	struct ell_mutex *mx;

	/*
	 * Who waits already, and whom the caller must know of, made its entry with the mutex locked, as the caller has
	 * since.
	 */
	if (waiters_seem_empty(&cv->cv_waiters))
		return 0;
	lock_acquire(&cv->cv_waiters.wq_lock);
	wn = waiters_oldest(&cv->cv_waiters);
	if (!wn) {
		lock_release(&cv->cv_waiters.wq_lock);
		return 0;
	}
	ASSERT_SLOW(waiters_is_valid(&cv->cv_waiters));
	mx = cv->cv_mutex;
	cv->cv_signalled = all ? cv->cv_next : wn->wn_number + 1;

	if (wn->wn_patient && (!all || !wn->wn_next) && mutex_leave_to(mx, wn, self)) {
		waiters_remove(&cv->cv_waiters, wn);
		lock_release(&cv->cv_waiters.wq_lock);
		return 0;
	}
	lock_acquire(&mx->mx_waiters.wq_lock);
	if (mutex_take_or_flag(mx, wn->wn_thread, self)) {
		/* The new owner does not run before both locks are free, so its word may be written. */
		if (all && wn->wn_next)
			store_relaxed(&mx->mx_owner, wn->wn_thread | MUTEX_WAITERS);
		ticket = waiters_grant(&cv->cv_waiters, wn);
	} else if (!all) {
		waiters_remove(&cv->cv_waiters, wn);
		waiters_link(&mx->mx_waiters, wn);
	}
	if (all)
		waiters_splice(&mx->mx_waiters, &cv->cv_waiters);
	lock_release(&cv->cv_waiters.wq_lock);
	lock_release(&mx->mx_waiters.wq_lock);
	if (ticket)
		park_unpark(ticket);
	return 0;
}

EXPORT int ell_cond_signal(struct ell_cond *cv)
{
	return move(cv, false);
}

EXPORT int ell_cond_broadcast(struct ell_cond *cv)
{
	return move(cv, true);
}
