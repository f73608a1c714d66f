/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switch.c - from one thread to the next
 *
 * A thread that leaves picks the next one itself and switches to it directly: a round trip through a scheduler's stack
 * would double the cost. It goes to the scheduler context of its LWP when nothing is ready, and every TURNS switches,
 * so that the kernel port and the timers are looked at.
 *
 * What remains to be done about a thread that left can only be done when its context is saved, and that is when
 * somebody else runs: to put it on the queue (yield), to declare it parked, to give its stack away (exit). Each context
 * that is switched to does that first, in sched_finish_previous(): a thread where sched_leave() returns, a new one at
 * its entry, the scheduler in its loop.
 *
 * TLS: a thread with TLS of its own gets its thread pointer with the switch. Threads that share the LWP's get their
 * errno copied.
 */
#include "base/atomic.h"
#include "base/guard.h"
#include "base/panic.h"
#include "kport/kport.h"
#include "sched/current.h"
#include "sched/end.h"
#include "sched/handoff.h"
#include "sched/inside.h"
#include "sched/interrupt.h"
#include "sched/limit.h"
#include "sched/runq.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "sched/slices.h"

enum { TURNS = 61 };

void (*sched_thread_gone)(struct thread *th);

/* This file is built without stack protector: between the two halves of a switch the canary's base changes. */
static inline void tls_switch(uintptr_t from, uintptr_t to)
{
	if (from != to)
		arch_tls_set(to);
}

/* The thread pointer of TH on VC. */
static inline uintptr_t tls_of(const struct thread *th, const struct vcpu *vc)
{
	return th->th_tls ? th->th_tls : vc->vc_tls;
}

static inline void enter_thread(struct lwp *lw, struct thread *th)
{
	store_relaxed(&lw->lw_current, th);	  /* others look whom they interrupt */
	store_relaxed(&th->th_last, lw->lw_vcpu); /* and the monitor, on which vCPU */
	if (!th->th_tls)
		*lw->lw_vcpu->vc_errno = th->th_errno;
}

static inline __attribute__((always_inline)) void finish_previous(struct thread *previous)
{
	sanitizer_arrived();
	if (!previous)
		return;
	if (UNLIKELY(previous->th_leave >= LEAVE_EXIT))
		sched_thread_gone(previous);
	else if (previous->th_leave == LEAVE_PARK && park_settle(previous))
		return;
	else if (UNLIKELY(runtime.rt_migrate))
		sched_ready(previous, READY_LAST);
	else
		runq_push(vcpu_self(), previous);
}

void sched_finish_previous(struct thread *previous)
{
	finish_previous(previous);
}

/* Who has no vCPU has TLS of its own. */
static void leave_for_scheduler(struct lwp *lw, struct thread *th, uint32_t depth)
{
	struct thread *self = th;

	tls_switch(tls_of(th, lw->lw_vcpu), lw->lw_tls);
	store_relaxed(&lw->lw_current, NULL);
	sanitizer_leave_for_scheduler(th, lw);
	th = arch_switch(&th->th_ctx, &lw->lw_ctx, th);
	sched_finish_previous(th);
	inside_arrived();
	sched_arrived(self, depth);
}

/* The caller, TH, is inside, and inside another one goes on; TH comes back at DEPTH. */
static inline __attribute__((always_inline)) void leave(struct lwp *lw, struct thread *th, uint32_t depth)
{
	struct vcpu *vc = lw->lw_vcpu;
	struct thread *self = th, *next = NULL;

	count_up(&vc->vc_switches, 1);
	if (!th->th_tls)
		th->th_errno = *vc->vc_errno;
	if (LIKELY(vc->vc_turns > 0)) {
		vc->vc_turns--;
		next = runq_pop(vc);
	}
	if (LIKELY(next != NULL)) {
		if (th->th_leave == LEAVE_PARK)
			runq_prefetch(vc);
		tls_switch(tls_of(th, vc), tls_of(next, vc));
		enter_thread(lw, next);
		sanitizer_leave_for(th, next);
		th = arch_switch(&th->th_ctx, &next->th_ctx, th);
	} else {
		leave_for_scheduler(lw, th, depth);
		return;
	}
	finish_previous(th);
	inside_arrived();
	sched_arrived(self, depth);
}

void sched_leave(struct thread *th)
{
	uint32_t depth = ell_critical_self.cr_depth;
	struct lwp *lw = arch_lwp();

	if (LIKELY(inside_begin(lw)))
		leave(lw, th, depth);
	else
		leave_for_scheduler(lw, th, depth);
}

/* Runs TH until some thread comes back to the scheduler: that one. */
static struct thread *run(struct lwp *lw, struct thread *th)
{
	ell_time begin = 0;

	lw->lw_vcpu->vc_turns = TURNS;
	if (UNLIKELY(slices_timed)) {
		lw->lw_vcpu->vc_turns = 0;
		begin = ell_now();
	}
	tls_switch(lw->lw_tls, tls_of(th, lw->lw_vcpu));
	enter_thread(lw, th);
	/* A kick that came before has found no thread. */
	if (UNLIKELY(load_relaxed(&interrupt_any)))
		store_relaxed(&th->th_wanted, 1);
	sanitizer_leave_scheduler_for(lw, th);
	th = arch_switch(&lw->lw_ctx, &th->th_ctx, NULL);
	if (UNLIKELY(begin))
		slices_count(lw, begin);
	return th;
}

/* Written out, a guarded stretch that ends with the switch: one access less at each end is a tenth of a yield. */
void sched_yield_self(void)
{
	struct thread *th = arch_thread();
	uint32_t depth = ell_critical_self.cr_depth;
	struct lwp *lw;
	struct vcpu *vc;

	if (UNLIKELY(!th || th->th_upcalls))
		thread_misplaced();
	ell_critical_self.cr_depth = depth + 1;
	__asm__ volatile("" ::: "memory");
	lw = arch_lwp();
	th->th_leave = LEAVE_YIELD;
	if (UNLIKELY(!inside_begin(lw))) {
		leave_for_scheduler(lw, th, depth);
	} else {
		vc = lw->lw_vcpu;
		/* Alone, and it is not time yet to look at the kernel port: nothing would change. */
		if (vc->vc_turns > 0 && runq_is_empty(vc)) {
			vc->vc_turns--;
			inside_leave(lw);
			__asm__ volatile("" ::: "memory");
			ell_critical_self.cr_depth = depth;
			__asm__ volatile("" ::: "memory");
		} else {
			leave(lw, th, depth);
		}
	}
	if (UNLIKELY(ell_critical_self.cr_due && depth == 0))
		ell_critical_due();
}

/* A round: what others posted, what is due, what the kernel has finished; then a thread, if any is ready. */
static struct thread *next_of_round(struct lwp *lw)
{
	struct vcpu *vc = lw->lw_vcpu;
	struct thread *th;

	count_up(&vc->vc_rounds, 1);
	if (timer_next(&vc->vc_wheel) != ELL_FOREVER)
		timer_run(&vc->vc_wheel, ell_now(), sched_expire);
	lw->lw_kport->kp_ops->flush(lw->lw_kport);
	if (UNLIKELY(load_relaxed(&runtime.rt_question) != load_relaxed(&lw->lw_answered)))
		end_answer(lw);
	sched_take_inbox(vc);
	if (UNLIKELY(limit_rests(vc)))
		limit_pass_on(vc);
	th = runq_pop(vc);
	if (!runtime.rt_solo) {
		if (!th)
			th = sched_steal(vc);
		if (th)
			sched_found(vc);
	}
	return th;
}

void sched_came_back(struct thread *previous)
{
	struct lwp *lw = arch_lwp();

	if (LIKELY(lw->lw_vcpu != NULL || previous->th_leave >= LEAVE_EXIT)) {
		sched_finish_previous(previous);
		return;
	}
	sanitizer_arrived();
	if (previous->th_leave == LEAVE_YIELD || !park_settle(previous))
		sched_ready(previous, READY_LAST);
}

void sched_loop(struct lwp *lw)
{
	while (!load_acquire(&runtime.rt_ended)) {
		struct thread *th;

		interrupt_point();
		if (UNLIKELY(!lw->lw_vcpu)) {
			handoff_wait(lw);
			continue;
		}
		th = next_of_round(lw);
		if (th)
			sched_came_back(run(lw, th));
		else
			sched_idle(lw);
	}
}
