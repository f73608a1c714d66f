/* SPDX-License-Identifier: BSD-2-Clause */
/* park.h - put a thread to sleep and wake it, exactly once */
#ifndef SCHED_PARK_H
#define SCHED_PARK_H

#include <ellula/time.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * One sleep of one thread: what a waker needs. 0 is none; it fits in 61 bits. A ticket may be kept as long as anybody
 * likes: one whose sleep is over wakes nobody.
 */
typedef uint64_t park_ticket;

/* Why a thread is parked: what tools print. */
enum park_why {
	PARK_NOT,
	PARK_MESSAGE,
	PARK_PORT,
	PARK_JOIN,
	PARK_MUTEX,
	PARK_COND,
	PARK_SEM,
	PARK_RWLOCK,
	PARK_ONCE,
	PARK_BARRIER,
	PARK_FD,
	PARK_SLEEP,
	PARK_PERMIT,
	PARK_FUTEX,
	PARK_HELPER,
	PARK_SIGNAL,
	PARK_WHY_COUNT
};

/*
 * The use of it:
 *
 *	ticket = park_prepare();
 *	publish the ticket where the waker finds it;
 *	if (what we wait for has come meanwhile && park_cancel(ticket))
 *		return;				(nobody will wake us)
 *	park_commit(ticket, why, until);	(somebody has, or will, exactly once)
 *
 * Between prepare and cancel or commit the thread must not wait for anything else. Between threads of one vCPU and
 * foreign kernel threads there is no difference.
 */

/* Announces a sleep. Context: T F. */
park_ticket park_prepare(void);

/* Takes the announcement back: true; or false if a waker was faster, and then commit must follow. Context: T F. */
bool park_cancel(park_ticket ticket);

/*
 * Sleeps until unparked: true; or until UNTIL, unless somebody unparks first: false, and a later unpark of this ticket
 * does nothing. Context: T F. Parks.
 */
bool park_commit(park_ticket ticket, enum park_why why, ell_time until);

/* How a sleep ended. */
enum park_end { PARK_EXPIRED, PARK_WOKEN, PARK_INTERRUPTED };

/*
 * The same. OPEN: when something is wanted of the thread (sched/interrupt.h), the sleep ends as interrupted, and what
 * is wanted has been done when this returns. Otherwise it is done in the middle of the sleep.
 */
enum park_end park_commit_open(park_ticket ticket, enum park_why why, ell_time until, bool open);

/*
 * TH, if it sleeps, runs for what is wanted of it, and sleeps on: true. False: it does not sleep, or not yet.
 * Context: any.
 */
struct thread;
bool park_interrupt(struct thread *th);

/*
 * Ends the sleep TICKET: true, if this call did it; false if it is over or another call did. True comes once per
 * ticket. The thread may be gone when this returns. Context: T V F.
 */
bool park_unpark(park_ticket ticket);

/* The same, for a thread that should run next on this vCPU: the caller is about to wait for it. */
bool park_unpark_next(park_ticket ticket);

/* Whoever waits with TICKET will be unparked in a moment. Any ticket, 0 also. Context: any. */
void park_prefetch(park_ticket ticket);

/*
 * The same, for a thread that is to run on this vCPU and on no other, as soon as the caller has left for good. False
 * also if that cannot be: it is foreign, or may run elsewhere only, or the caller has no vCPU. Context: T, inside
 * (sched/inside.h), which ends only when it leaves.
 */
bool park_unpark_here(park_ticket ticket);

#endif
