/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ready.c - where a thread goes that was woken
 *
 * From an LWP: to the queue of its own vCPU, at the front if the caller is about to wait for it. A thread that may not
 * move, and any thread that is woken by a foreign kernel thread, goes to an inbox, which its vCPU empties every round.
 *
 * For tests: with ELLULA_MIGRATE in the environment a thread that may move is never ready twice in a row on one vCPU.
 * It goes to the inbox of the next one each time it is woken or yields, and nobody steals. What code remembers across a
 * switch, and should not, is then wrong each time.
 */
#include "sched/current.h"
#include "sched/inside.h"
#include "sched/limit.h"
#include "sched/runq.h"
#include "sched/sched.h"

#include "base/atomic.h"
#include "base/guard.h"
#include "kport/kport.h"

static void put_into_inbox(struct vcpu *vc, struct thread *th)
{
	struct thread *first = load_relaxed(&vc->vc_inbox);

	do
		th->th_next = first;
	while (!cas_seq_cst(&vc->vc_inbox, &first, th)); /* ORD inbox-1: pairs with ORD inbox-2 */
}

void sched_post(struct vcpu *vc, struct thread *th)
{
	put_into_inbox(vc, th);
	kport_wake(vcpu_kport(vc));
}

void sched_take_inbox(struct vcpu *vc)
{
	struct thread *th, *oldest = NULL;

	if (LIKELY(!load_relaxed(&vc->vc_inbox)))
		return;
	th = xchg_seq_cst(&vc->vc_inbox, NULL); /* ORD inbox-2: pairs with ORD inbox-1 */
	while (th) {
		struct thread *next = th->th_next;

		th->th_next = oldest;
		oldest = th;
		th = next;
	}
	while (oldest) {
		struct thread *next = oldest->th_next;

		runq_push(vc, oldest);
		oldest = next;
	}
}

static struct vcpu *home_of(const struct thread *th)
{
	if (th->th_vcpu)
		return th->th_vcpu;
	if (UNLIKELY(!th->th_last))
		return &runtime.rt_vcpus[0];
	if (UNLIKELY(limit_rests(th->th_last)))
		return &runtime.rt_vcpus[(unsigned)th->th_last->vc_number % load_relaxed(&runtime.rt_active)];
	return th->th_last;
}

static struct vcpu *neighbour_of(const struct vcpu *vc)
{
	return &runtime.rt_vcpus[((unsigned)vc->vc_number + 1) % load_relaxed(&runtime.rt_active)];
}

static bool is_asleep(const struct vcpu *vc)
{
	return load_relaxed(&vcpu_kport(vc)->kp_sleep) == KPORT_ASLEEP;
}

/* The caller has no vCPU, or may not put TH there. */
static void ready_elsewhere(struct thread *th)
{
	struct vcpu *idle = th->th_vcpu || is_asleep(home_of(th)) ? NULL : sched_claim_idle();

	/* Nobody takes threads out of the inbox of a vCPU that is busy. */
	sched_post(idle ? idle : home_of(th), th);
}

/* TH to the vCPU of LW, the caller's. */
static void ready_here(struct lwp *lw, struct thread *th, enum ready_where where)
{
	struct vcpu *vc = lw->lw_vcpu;

	if (UNLIKELY(!vc)) {
		ready_elsewhere(th);
	} else if (UNLIKELY(th->th_vcpu && th->th_vcpu != vc)) {
		sched_post(th->th_vcpu, th);
	} else if (where == READY_HERE) {
		runq_push_own_next(vc, th);
	} else if (where == READY_NEXT) {
		runq_push_next(vc, th);
		/* If the caller goes on instead of waiting, an idle vCPU that looks now and then will see. */
		if (!runtime.rt_solo && !load_relaxed(&runtime.rt_watch))
			sched_wake_idle();
	} else {
		runq_push(vc, th);
		/* Scheduler context decides at the end of its round. */
		if (!runtime.rt_solo && lw->lw_current)
			sched_wake_idle();
	}
}

static void ready(struct thread *th, enum ready_where where)
{
	struct lwp *lw = arch_lwp_or_null();

	if (UNLIKELY(!lw)) {
		if (runtime.rt_migrate && !th->th_vcpu)
			sched_post(neighbour_of(home_of(th)), th);
		else
			ready_elsewhere(th);
		return;
	}
	inside_enter(lw);
	if (UNLIKELY(runtime.rt_migrate) && !th->th_vcpu)
		sched_post(neighbour_of(home_of(th)), th);
	else
		ready_here(lw, th, where);
	inside_leave(lw);
}

void sched_ready(struct thread *th, enum ready_where where)
{
	guard_enter();
	ready(th, where);
	guard_leave();
}

void sched_ready_from_handler(struct thread *th)
{
	struct vcpu *vc = home_of(th), *idle = NULL;

	if (!th->th_vcpu && !is_asleep(vc))
		idle = sched_claim_idle();
	if (idle)
		vc = idle;
	put_into_inbox(vc, th);
	kport_wake_from_handler(vcpu_kport(vc));
}
