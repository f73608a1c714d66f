/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * waiters.h - who waits on an object, and how exactly one of them is let go
 *
 * Purpose: the queue that every lock of this room has. A lock decides who gets what; this file makes sure that the one
 * who got it learns of it, once, and that nothing is touched afterwards.
 *
 * Words: to GRANT a waiter is to give it what it waits for (a mutex, a unit of a semaphore), and to take its node out
 * of the queue. To wake it comes after that and is a hint only.
 *
 * States of a node, which lies on the stack of the thread that waits:
 *
 *	QUEUED	in the queue of one object, under its wq_lock
 *	GRANTED	in no queue, for ever
 *
 * Who wins is decided under wq_lock, never by the sleep: a waker that finds a node in the queue grants it, and a waiter
 * whose deadline has passed and who finds its node in the queue takes it out. The ticket of sched/park.h then only ends
 * a sleep, and whether it did is of no interest:
 *
 *	waker				waiter
 *	1 wq_lock			a wq_lock
 *	2 take the node out		b append the node, with its ticket
 *	3 GRANTED; copy the ticket	c release wq_lock
 *	4 release wq_lock		d sleep until unparked, or the deadline
 *	5 unpark the copy		e deadline: wq_lock; QUEUED? take the node out : it is granted
 *
 * No wake-up is lost: before 1 the waker sees the node only if b was before; after b somebody will grant it, or e will
 * take it out. When d ends by 5, then 3 was before, and the waiter need not look. When d ends by the deadline and 3 was
 * before e, the waiter has what it waited for and says so; 5 then finds a ticket whose sleep is over and does nothing.
 *
 * Who touches the node last: the waker in 3, before 4. The waiter leaves after 5 or after e, which waits for 4. So the
 * node may go with the waiter's stack frame.
 *
 * Who touches the object last: the waker in 4. Whoever is let go does not go before 5 or e, and may free the object at
 * once. For the same reason no word of an object that lets others pass is ever released while wq_lock is held: see
 * mutex.h.
 *
 * An object whose waiters have no deadlines (once.c, barrier.c) lets all of them go at the same time: it detaches the
 * whole chain under the lock and walks it afterwards, for no node leaves before its own unpark.
 *
 * Locks: wq_lock is a lock of base/lock.h. The one of a condition comes before the one of its mutex; no other two are
 * held together. No park, no unpark and no call of the kernel happens under it.
 *
 * Ordering: what the waker did before 1 the granted waiter sees: through unpark and commit, or through wq_lock.
 *
 * Rejected: to decide by the result of unpark (the loser has to find out what became of its node, and who touches it
 * last depends on the race); unpark under wq_lock (the waiter could free the object before the waker has released it).
 */
#ifndef SYNC_WAITERS_H
#define SYNC_WAITERS_H

#include <ellula/sync.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/lock.h"
#include "base/panic.h"
#include "sched/park.h"
#include "sched/vcpu.h"
#include "thread/self.h"

struct ell_waiter {
	struct ell_waiter *wn_next;
	struct ell_waiter *wn_prev;
	park_ticket wn_ticket;
	ell_thread wn_thread;
	uint64_t wn_number; /* cond.c: in which order it came */
	bool wn_patient;    /* cond.c: it has no deadline, so it stays until it is unparked */
	bool wn_writer;	    /* rwlock.c: it wants to write */
	bool wn_granted;    /* the state; under the wq_lock of the object that it waits for */
};

/* Takes those out whose threads did not come along into this process. Locks: wq_lock held. */
COLD void waiters_bury(struct ell_waiters *wq);

/* The oldest, or NULL. Locks: wq_lock held. */
static inline struct ell_waiter *waiters_oldest(struct ell_waiters *wq)
{
	if (UNLIKELY(runtime.rt_forked))
		waiters_bury(wq);
	return wq->wq_first;
}

static inline bool waiters_empty(const struct ell_waiters *wq)
{
	return !wq->wq_first;
}

/* Is anybody there? For who does not hold wq_lock, and does not need to be right. */
static inline bool waiters_seem_empty(const struct ell_waiters *wq)
{
	return load_relaxed(&wq->wq_count) == 0;
}

/* Puts WN last. Locks: wq_lock held. */
static inline void waiters_link(struct ell_waiters *wq, struct ell_waiter *wn)
{
	wn->wn_next = NULL;
	wn->wn_prev = wq->wq_last;
	if (wq->wq_last)
		wq->wq_last->wn_next = wn;
	else
		wq->wq_first = wn;
	wq->wq_last = wn;
	count_up(&wq->wq_count, 1u);
}

/* Puts WN last, QUEUED, and announces the sleep of its thread, the caller. Context: T F. Locks: wq_lock held. */
static inline void waiters_append(struct ell_waiters *wq, struct ell_waiter *wn)
{
	wn->wn_ticket = park_prepare();
	wn->wn_granted = false;
	waiters_link(wq, wn);
}

/* Takes WN out, from wherever it stands. Locks: wq_lock held. */
static inline void waiters_remove(struct ell_waiters *wq, struct ell_waiter *wn)
{
	if (wn->wn_prev)
		wn->wn_prev->wn_next = wn->wn_next;
	else
		wq->wq_first = wn->wn_next;
	if (wn->wn_next)
		wn->wn_next->wn_prev = wn->wn_prev;
	else
		wq->wq_last = wn->wn_prev;
	count_up(&wq->wq_count, -1u);
}

/* Moves all of FROM, which is empty then, behind those of WQ. Locks: both held. */
static inline void waiters_splice(struct ell_waiters *wq, struct ell_waiters *from)
{
	if (waiters_empty(from))
		return;
	from->wq_first->wn_prev = wq->wq_last;
	if (wq->wq_last)
		wq->wq_last->wn_next = from->wq_first;
	else
		wq->wq_first = from->wq_first;
	wq->wq_last = from->wq_last;
	count_up(&wq->wq_count, from->wq_count);
	from->wq_first = NULL;
	from->wq_last = NULL;
	store_relaxed(&from->wq_count, 0u);
}

/*
 * QUEUED -> GRANTED, and out of WQ: the ticket to unpark when wq_lock is released. WN is not to be touched again.
 * Locks: wq_lock held.
 */
static inline park_ticket waiters_grant(struct ell_waiters *wq, struct ell_waiter *wn)
{
	waiters_remove(wq, wn);
	wn->wn_granted = true;
	return wn->wn_ticket;
}

/*
 * Waits for the grant of WN, which the caller appended: true, and wq_lock is free; or UNTIL has passed first: false, WN
 * is out of the queue, and wq_lock is held, for the caller to tell the object. Context: T F. Locks: wq_lock held.
 * Parks.
 */
bool waiters_wait(struct ell_waiters *wq, struct ell_waiter *wn, enum park_why why, ell_time until);

/* Empties WQ and returns the first of what was in it, for waiters_wake_all(). Locks: wq_lock held. */
struct ell_waiter *waiters_detach(struct ell_waiters *wq);

/* Wakes a detached chain, none of whom has a deadline. Context: T V F. */
void waiters_wake_all(struct ell_waiter *wn);

/* Are the two ends of the queue in order? For debug builds. Locks: wq_lock held. */
bool waiters_is_valid(const struct ell_waiters *wq);

#endif
