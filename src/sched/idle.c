/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * idle.c - a vCPU without work sleeps; one with too much wakes another
 *
 * Purpose: no CPU time while nothing happens, and no wake-up, which costs 15 to 25 us, for work that is not worth it.
 *
 * States of a vCPU: it runs; it is idle (its bit in rt_idle is set, and its kernel port sleeps); it searches (it was
 * woken to look for work, and has not found any).
 *
 * Who makes a thread ready beside others wakes one idle vCPU, unless one searches already. The one that searches and
 * finds work wakes the next, if there is more; so at most one at a time looks around in vain.
 *
 * Sleeping: 1. kp_sleep = ASLEEP, idle bit set; 2. look at the inbox, at what is posted, and at all queues once more;
 * 3. sleep. What is posted to this LWP cannot be missed (kport.h). That a thread is pushed on another vCPU's queue can:
 * the push is not ordered with the look at the idle bits, for that would cost a locked instruction per push. Such a
 * thread is not lost, its vCPU runs it; and the watch comes by:
 *
 * While any vCPU runs, one idle vCPU sleeps for no longer than WATCH_NS, and then takes also the thread that should run
 * next elsewhere, since it has been waiting for something that does not end. When all are idle nobody watches.
 */
#include <errno.h>
#include <limits.h>

#include "base/atomic.h"
#include "kport/kport.h"
#include "sched/interrupt.h"
#include "sched/limit.h"
#include "sched/monitor.h"
#include "sched/runq.h"
#include "sched/sched.h"
#include "sys/nodes.h"

enum { WATCH_NS = 2000000 };

#define ANYWHERE UINT_MAX

void (*sched_idles)(void);

static bool set_idle(const struct vcpu *vc)
{
	uint64_t bit = UINT64_C(1) << vc->vc_number % 64;

	return !(fetch_or_seq_cst(&runtime.rt_idle[vc->vc_number / 64], bit) & bit);
}

/* Takes VC out of the idle ones: false if somebody else did. */
static bool clear_idle(const struct vcpu *vc)
{
	uint64_t bit = UINT64_C(1) << vc->vc_number % 64;

	return fetch_and_seq_cst(&runtime.rt_idle[vc->vc_number / 64], ~bit) & bit;
}

/* The idle ones of vCPUs 64 * I on, those that rest left out. */
static uint64_t idle_workers(unsigned i)
{
	unsigned active = load_relaxed(&runtime.rt_active);
	uint64_t bits = load_relaxed(&runtime.rt_idle[i]);

	if (active >= (i + 1) * 64)
		return bits;
	return active > i * 64 ? bits & ((UINT64_C(1) << active % 64) - 1) : 0;
}

static bool any_idle(void)
{
	for (unsigned i = 0; i * 64 < runtime.rt_count; i++) {
		if (idle_workers(i))
			return true;
	}
	return false;
}

static bool all_idle(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i * 64 < runtime.rt_count; i++)
		n += (unsigned)__builtin_popcountll(load_relaxed(&runtime.rt_idle[i]));
	return n == runtime.rt_count;
}

/* Some idle vCPU, which is not idle any more: NULL if there is none. */
static struct vcpu *claim_idle(void)
{
	for (unsigned i = 0; i * 64 < runtime.rt_count; i++) {
		uint64_t bits = idle_workers(i);

		while (bits) {
			struct vcpu *vc = &runtime.rt_vcpus[i * 64 + (unsigned)__builtin_ctzll(bits)];

			if (clear_idle(vc))
				return vc;
			bits &= bits - 1;
		}
	}
	return NULL;
}

struct vcpu *sched_claim_idle(void)
{
	return any_idle() ? claim_idle() : NULL;
}

void sched_wake_idle(void)
{
	uint32_t nobody = 0;
	struct vcpu *vc;

	if (!any_idle() || load_relaxed(&runtime.rt_searching))
		return;
	if (!cas_seq_cst(&runtime.rt_searching, &nobody, 1))
		return;
	vc = claim_idle();
	if (!vc) {
		store_release(&runtime.rt_searching, 0);
		return;
	}
	kport_wake(vcpu_kport(vc));
}

static void end_search(struct vcpu *vc)
{
	if (vc->vc_searching) {
		vc->vc_searching = false;
		store_seq_cst(&runtime.rt_searching, 0);
	}
}

static void end_watch(struct vcpu *vc)
{
	if (vc->vc_watching) {
		vc->vc_watching = false;
		store_release(&runtime.rt_watch, 0);
	}
}

/* From those on NODE, or from all: ANYWHERE. */
static struct thread *steal_on(struct vcpu *vc, unsigned node)
{
	unsigned start = (unsigned)(vc->vc_rounds % runtime.rt_count);

	for (unsigned i = 0; i < runtime.rt_count; i++) {
		struct vcpu *victim = &runtime.rt_vcpus[(start + i) % runtime.rt_count];
		struct thread *th;

		if (victim == vc || (node != ANYWHERE && load_relaxed(&victim->vc_node) != node))
			continue;
		th = runq_steal(vc, victim, vc->vc_watching);
		if (th) {
			count_up(&vc->vc_steals, 1);
			return th;
		}
	}
	return NULL;
}

/* From near vCPUs first: what the thread has in memory is there. */
struct thread *sched_steal(struct vcpu *vc)
{
	struct thread *th = NULL;

	if (UNLIKELY(runtime.rt_migrate || limit_rests(vc)))
		return NULL;
	if (LIKELY(nodes_count() == 1))
		return steal_on(vc, ANYWHERE);
	for (unsigned rank = 0; !th && rank < nodes_count(); rank++)
		th = steal_on(vc, nodes_near(vc->vc_node, rank));
	return th;
}

void sched_found(struct vcpu *vc)
{
	end_search(vc);
	end_watch(vc);
	if (runq_has_some(vc))
		sched_wake_idle();
}

/* Is there, after all, something to do? What is in others' queues is, unless nobody steals. */
static bool has_work(const struct lwp *lw)
{
	const struct vcpu *vc = lw->lw_vcpu;

	if (load_seq_cst(&vc->vc_inbox) || kport_is_posted(lw->lw_kport) || load_seq_cst(&runtime.rt_ended) ||
	    load_seq_cst(&runtime.rt_question) != load_relaxed(&lw->lw_answered) || load_seq_cst(&interrupt_stop) ||
	    load_seq_cst(&interrupt_any))
		return true;
	for (unsigned i = 0; !runtime.rt_migrate && !limit_rests(vc) && i < runtime.rt_count; i++) {
		if (runq_has_some(&runtime.rt_vcpus[i]))
			return true;
	}
	return false;
}

/* Until when to sleep. */
static ell_time sleep_until(struct vcpu *vc)
{
	ell_time until = timer_next(&vc->vc_wheel);
	ell_time look;

	end_watch(vc);
	if (runtime.rt_solo || limit_rests(vc) || all_idle() || xchg_acq_rel(&runtime.rt_watch, 1) != 0)
		return until;
	vc->vc_watching = true;
	look = ell_now() + WATCH_NS;
	return look < until ? look : until;
}

void sched_idle(struct lwp *lw)
{
	struct vcpu *vc = lw->lw_vcpu;
	struct kport *kp = lw->lw_kport;

	end_search(vc);
	store_relaxed(&vc->vc_node, nodes_current());
	store_seq_cst(&kp->kp_sleep, KPORT_ASLEEP); /* ORD kport-1: pairs with ORD kport-2 in kport/kport.c */
	set_idle(vc);
	if (!has_work(lw)) {
		count_up(&vc->vc_sleeps, 1);
		if (sched_idles)
			sched_idles();
		kp->kp_ops->sleep(kp, sleep_until(vc));
	}
	store_seq_cst(&kp->kp_sleep, KPORT_AWAKE);
	/* Who took the bit wants us to search. */
	vc->vc_searching = !clear_idle(vc);
	monitor_vcpu_runs();
}
