/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deadline.c - the end of a sleep that nobody else ends
 *
 * Purpose: a server's thread gives each of its waits a deadline, and almost none is ever reached. To arm and disarm a
 * timer per wait is O(1), but it touches the timers on both sides, which are other threads' and seldom in the cache.
 *
 * So a thread's timer stays armed when the sleep is over. The next deadline is nearly always later: then it is only
 * written to th_until. When the timer is due, deadline_due() looks there: the timer moves on to a later deadline, is
 * forgotten if the thread is in no such sleep, or ends the sleep that it finds.
 *
 * Can a deadline be missed?
 *
 *	the thread					the wheel, with its lock
 *	1. th_until = deadline				1. takes the timer off
 *	2. under the lock of the wheel: is the		2. reads th_until
 *	   timer armed, and not for later?		3. arms it for that, or forgets it
 *	3. if not: arms it
 *
 * If the wheel's part comes first, the thread finds the timer unarmed, or armed for what it has just written; if the
 * thread's 2 does, the wheel reads the new deadline.
 *
 * Can it end the wrong sleep? The number of the sleep is read before and after th_until (acquire, ORD deadline-2). The
 * thread writes number, deadline, ELL_FOREVER, number, ... in this order, so between two equal numbers there is this
 * sleep's deadline or none. The ticket that is made of it ends that sleep or nothing. A
 * sleep in which an upcall has slept goes on with its number, but not with the same count of sleeps, which is compared,
 * too.
 */
#include "sched/deadline.h"

#include "kport/kport.h"
#include "sched/current.h"
#include "sched/inside.h"
#include "sched/vcpu.h"

static void arm(struct thread *th, struct wheel *own, ell_time until)
{
	if (th->th_wheel == own && timer_covers(own, &th->th_timer, until))
		return;
	/* The vCPU where it was armed may be busy for long, and is not the one that we are waiting on. */
	if (th->th_wheel && th->th_wheel != own)
		timer_stop(th->th_wheel, &th->th_timer);
	th->th_wheel = own;
	timer_start(th->th_wheel, &th->th_timer, until, (uint64_t)th->th_slot.sl_number << 1 | 1);
}

void deadline_set(struct thread *th, ell_time until)
{
	struct lwp *lw = arch_lwp();

	store_release(&th->th_until, until); /* ORD deadline-1: pairs with ORD deadline-2 */
	inside_enter(lw);
	if (LIKELY(lw->lw_vcpu != NULL)) {
		arm(th, &lw->lw_vcpu->vc_wheel, until);
	} else {
		/* Its owner may be about to sleep: ORD kport-2, as for what is posted. */
		arm(th, &th->th_last->vc_wheel, until);
		fence_seq_cst();
		kport_wake(vcpu_kport(th->th_last));
	}
	inside_leave(lw);
}

void deadline_forget(struct thread *th)
{
	if (!th->th_wheel)
		return;
	timer_stop(th->th_wheel, &th->th_timer);
	th->th_wheel = NULL;
}

ell_time deadline_due(uint64_t *what, ell_time now)
{
	const struct thread *th;
	park_ticket before;
	uint64_t sleeps;
	ell_time until;

	if (!(*what & 1))
		return 0; /* a message */
	th = thread_at((uint32_t)(*what >> 1));
	sleeps = load_acquire(&th->th_sleeps);
	before = park_latest(th);
	until = load_acquire(&th->th_until); /* ORD deadline-2: pairs with ORD deadline-1 */
	if (park_latest(th) != before || load_relaxed(&th->th_sleeps) != sleeps)
		return now + 1;
	if (until > now)
		return until; /* ELL_FOREVER among them */
	*what = before << 1 | 1;
	return 0;
}
