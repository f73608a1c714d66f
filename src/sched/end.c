/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * end.c - what LWPs are asked before the process ends, or becomes another one
 *
 * Only an LWP knows what is out in its ring, and only it can cancel that. So who wants to know asks: rt_question is
 * the number of the latest question, and in its lowest bit, for good, whether all is to be revoked. Each LWP answers
 * once per question, in a round, by what it writes down and then by the question's number in lw_answered. Who
 * asks does so again after a while, until it likes the answers or has no more time; nobody ever waits for an LWP that
 * computes and comes to no round. For one that is away, its vCPU handed over, the monitor revokes and
 * answers, as long as the runtime has not ended.
 *
 *	who asks			the LWP
 *	1. rt_question += 2 (seq_cst)	1. kp_sleep = ASLEEP (seq_cst)
 *	2. wakes it if it sleeps	2. looks at rt_question; if it is new, does not sleep
 *
 * as for what is posted (kport.h).
 */
#include "sched/end.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>

#include "base/atomic.h"
#include "base/guard.h"
#include "kport/helper.h"
#include "kport/kport.h"
#include "message/message.h"
#include "sched/current.h"
#include "sched/handoff.h"
#include "sched/inside.h"
#include "sched/monitor.h"
#include "sched/sched.h"
#include "sched/send.h"
#include "sys/sys.h"

enum { CLOSE = 1, HOLD = 2, STEP = 4 };

/* 1 while LWPs are to stand still: their futex. And whether somebody forks. */
static uint32_t held;
static uint32_t forking;

#define GONE UINT64_MAX

static bool is_message(uint64_t what)
{
	return !(what & 1);
}

/* Messages of the time class end at once; the deadlines of sleeping threads stay. */
static void revoke_timers(struct vcpu *vc)
{
	struct timer *tm = timer_take_all(&vc->vc_wheel, is_message);

	while (tm) {
		struct timer *next = tm->tm_next;

		/* As if it had expired: whoever revokes it meanwhile finds that. */
		message_finish((struct ell_msg *)(uintptr_t)tm->tm_what, -ECANCELED);
		tm = next;
	}
}

uint64_t end_ask(bool close)
{
	uint64_t number;

	if (close && !(fetch_or_seq_cst(&runtime.rt_question, CLOSE) & CLOSE)) {
		send_close();
		helper_close();
	}
	number = fetch_add_seq_cst(&runtime.rt_question, STEP) + STEP;
	sched_wake_lwps();
	return number;
}

struct end_sum end_answers(uint64_t number)
{
	struct end_sum sum = {0};

	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		const struct lwp *lw = &runtime.rt_lwps[i];
		const struct kport *kp = lw->lw_kport;

		/* ORD end-1: pairs with ORD end-2 */
		if (load_acquire(&lw->lw_answered) >= number) {
			sum.left += load_relaxed(&lw->lw_left);
			sum.must += load_relaxed(&lw->lw_must);
		} else {
			/*
			 * That nothing is out there cannot be seen from here: between two steps of an operation, or
			 * between the post and the ring, a message stands nowhere.
			 */
			sum.silent++;
			sum.must += load_relaxed(&kp->kp_drains);
		}
	}
	helper_count(&sum.left, &sum.must);
	return sum;
}

/* Hands all to the kernel, and sees the end of what ends by itself. */
static void quiesce(struct kport *kp, ell_time until)
{
	for (;;) {
		kp->kp_ops->flush(kp);
		if ((kp->kp_outstanding == kp->kp_long_count && !kp->kp_ops->is_behind(kp)) || ell_now() >= until)
			return;
		kp->kp_ops->sleep(kp, ell_after(ELL_MSEC));
	}
}

static void stand_still(void)
{
	while (load_acquire(&held))
		sys.futex(&held, FUTEX_WAIT_PRIVATE, 1, NULL, 0);
}

/* A thread whose LWP has no vCPU leaves the ring to the monitor, and need not answer. */
static void answer_if_held(struct lwp *lw)
{
	inside_enter(lw);
	if (lw->lw_vcpu)
		end_answer(lw);
	inside_leave(lw);
}

/* Is there nothing to wait for? The thread of an LWP that is away is like a foreign one. */
static bool is_still(const struct lwp *lw, uint64_t question)
{
	return load_acquire(&lw->lw_answered) >= question ||
	       (load_acquire(&lw->lw_asked) == HANDOFF_AWAY && !load_acquire(&lw->lw_home));
}

void end_hold(ell_time until)
{
	struct lwp *lw = arch_lwp_or_null();
	const struct timespec nap = {.tv_nsec = 20000};
	uint32_t nobody = 0;
	uint64_t question;
	bool all;

	while (!cas_seq_cst(&forking, &nobody, 1)) {
		/* Whoever forks waits for our LWP, too. */
		nobody = 0;
		if (lw)
			answer_if_held(lw);
		sys.nanosleep(&nap, NULL);
	}
	monitor_hold();
	if (lw)
		quiesce(lw->lw_kport, until);
	store_seq_cst(&held, 1);
	question = fetch_add_seq_cst(&runtime.rt_question, STEP | HOLD) + STEP;
	question |= HOLD;
	sched_wake_lwps();
	do {
		all = true;
		for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++)
			all = all && (&runtime.rt_lwps[i] == lw || is_still(&runtime.rt_lwps[i], question));
		if (!all)
			sys.nanosleep(&nap, NULL);
	} while (!all && ell_now() < until);
}

void end_release(void)
{
	fetch_and_seq_cst(&runtime.rt_question, ~(uint64_t)HOLD);
	store_release(&held, 0);
	monitor_release();
	sys.futex(&held, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, 0);
	store_release(&forking, 0);
}

void end_forked(void)
{
	held = 0;
	forking = 0;
	runtime.rt_question = 0;
	for (unsigned i = 0; i < runtime.rt_lwp_count; i++)
		runtime.rt_lwps[i].lw_answered = 0;
}

void end_answer(struct lwp *lw)
{
	struct kport *kp = lw->lw_kport;
	uint64_t question = load_seq_cst(&runtime.rt_question);
	struct kport_count count;

	if (question == load_relaxed(&lw->lw_answered))
		return;
	if (question & CLOSE) {
		if (lw->lw_vcpu)
			revoke_timers(lw->lw_vcpu);
		kport_revoke_all(kp);
	}
	if (question & HOLD)
		quiesce(kp, ell_after(ELL_SEC));
	kp->kp_ops->flush(kp);
	count = kport_count(kp);
	store_relaxed(&lw->lw_left, count.left);
	store_relaxed(&lw->lw_must, count.must + kp->kp_ops->is_behind(kp));
	store_release(&lw->lw_answered, question); /* ORD end-2: pairs with ORD end-1 */
	if (question & HOLD)
		stand_still();
}

uint64_t end_unanswered(const struct lwp *lw, bool *revoke)
{
	uint64_t question = load_seq_cst(&runtime.rt_question);

	*revoke = question & CLOSE;
	return !(question & HOLD) && question != load_relaxed(&lw->lw_answered) ? question : 0;
}

void end_answer_for(struct lwp *lw, uint64_t question)
{
	struct kport_count count = kport_count(lw->lw_kport);

	store_relaxed(&lw->lw_left, count.left);
	store_relaxed(&lw->lw_must, count.must + lw->lw_kport->kp_ops->is_behind(lw->lw_kport));
	store_release(&lw->lw_answered, question); /* ORD end-2: pairs with ORD end-1 */
}

void end_gone(struct lwp *lw)
{
	store_relaxed(&lw->lw_left, 0);
	store_relaxed(&lw->lw_must, 0);
	store_release(&lw->lw_answered, GONE); /* ORD end-2: pairs with ORD end-1 */
}

/* What it has answered may be old: nobody asks any more when the bound has passed. */
static bool is_over(const struct lwp *lw)
{
	return (load_relaxed(&lw->lw_answered) & CLOSE) && kport_count(lw->lw_kport).left == 0;
}

void end_linger(struct lwp *lw)
{
	struct kport *kp = lw->lw_kport;

	for (;;) {
		kp->kp_ops->flush(kp);
		end_answer(lw);
		if (is_over(lw))
			break;
		store_seq_cst(&kp->kp_sleep, KPORT_ASLEEP); /* ORD kport-1: pairs with ORD kport-2 in kport/kport.c */
		if (load_seq_cst(&runtime.rt_question) == load_relaxed(&lw->lw_answered) && !kport_is_posted(kp))
			kp->kp_ops->sleep(kp, ELL_FOREVER);
		store_seq_cst(&kp->kp_sleep, KPORT_AWAKE);
	}
	end_gone(lw);
}

void end_rest(int64_t ns)
{
	const struct timespec ts = {.tv_nsec = ns};
	struct lwp *lw;

	guard_enter();
	lw = arch_lwp_or_null();
	/* In an upcall the ring may be in the middle of being emptied. */
	if (!lw || (lw->lw_current && lw->lw_current->th_upcalls)) {
		sys.nanosleep(&ts, NULL);
	} else {
		inside_enter(lw);
		if (lw->lw_vcpu) {
			lw->lw_kport->kp_ops->sleep(lw->lw_kport, ell_after(ns));
			end_answer(lw);
		} else {
			sys.nanosleep(&ts, NULL);
		}
		inside_leave(lw);
	}
	guard_leave();
}
