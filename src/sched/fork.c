/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork.c - a process becomes two
 *
 * The child is a copy of memory, made while other kernel threads go on, so it may see the second of two writes without
 * the first. What it needs of ours must therefore be at rest meanwhile:
 *
 *	the other LWPs		stand still in a round (sched/end.c), where they hold no lock, of the program's neither:
 *				the C library takes its own after this, and must get them
 *	foreign threads		post nothing (kport.c), and helpers finish nothing (helper.c)
 *	wheels, stacks		their locks are taken by who forks
 *
 * An LWP that computes comes to no round. It is waited for HOLD_NS; then the process is forked all the same, and what
 * that LWP does to the runtime in that moment may be seen by halves in the child.
 *
 * In the child only the kernel thread that forked exists, and on it the thread that did. The scheduler context of its
 * LWP lies on a stack that was copied, and goes on. All other threads are gone: their ids are nobody's, and the tickets
 * by which they would be woken are made those of sleeps that are over, so that whoever finds one wakes nobody. Their
 * stacks stay, for the program may have pointers to them.
 *
 * Then each message that was out is replied to, once: what is in the list of a kernel port, in its backlog, posted to
 * it, with helpers, or on a wheel is brought into one chain first, since a reply may run an upcall that sends. Nothing
 * of short class is out: that ended before the copy, but for what a foreign thread has posted in the last moment.
 *
 * If a foreign kernel thread forks there is no LWP in the child. The runtime is then as before its start, and can be
 * started. What the parent's vCPUs and LWPs were described by stays, for other memory points there.
 *
 * A guest (thread/guest.c) is the C library's own thread, and its LWP is another one of the C library's: in the child
 * the guest goes on as if it were foreign.
 *
 * The C library, in the child, takes the stacks of all its threads for free but that of the thread which runs. That
 * must be the one that it has made for this LWP and not the block of a user thread: hence the change of TLS.
 *
 * Rejected: to stop the others by a signal wherever they are: the C library would wait for a lock that one of them has.
 */
#include "sched/fork.h"

#include <errno.h>

#include "base/atomic.h"
#include "base/guard.h"
#include "base/lock.h"
#include "kport/helper.h"
#include "kport/kport.h"
#include "mem/slot.h"
#include "message/message.h"
#include "sched/current.h"
#include "sched/deadline.h"
#include "sched/end.h"
#include "sched/handoff.h"
#include "sched/interrupt.h"
#include "sched/limit.h"
#include "sched/monitor.h"
#include "sched/sched.h"
#include "sched/send.h"
#include "sys/sys.h"

#define HOLD_NS (100 * ELL_MSEC)

static struct thread *forker;
static uintptr_t forker_tls;

static void lock_wheels(void)
{
	for (unsigned i = 0; i < runtime.rt_count; i++)
		lock_acquire(&runtime.rt_vcpus[i].vc_wheel.wh_lock);
}

static void unlock_wheels(void)
{
	for (unsigned i = 0; i < runtime.rt_count; i++)
		lock_release(&runtime.rt_vcpus[i].vc_wheel.wh_lock);
}

/*
 * The block that is in use now is guarded, or not any more: what was due meanwhile. Not inlined: the address must not
 * be remembered from before a change of TLS.
 */
static NOINLINE bool guard_block(bool on)
{
	bool due = ell_critical_self.cr_due;

	__asm__ volatile("" ::: "memory");
	ell_critical_self.cr_depth += on ? 1u : -1u;
	if (!on)
		ell_critical_self.cr_due = 0;
	return due;
}

static NOINLINE void note_due(void)
{
	__asm__ volatile("" ::: "memory");
	ell_critical_self.cr_due = 1;
}

void sched_fork_prepare(void)
{
	struct thread *th;
	struct lwp *lw;

	/* No upcall comes in between, and brings us to another LWP. */
	guard_enter();
	lw = arch_lwp_or_null();
	th = lw ? lw->lw_current : thread_foreign();
	end_hold(ell_after(HOLD_NS));
	/* In this order: a helper may have to post what it cannot finish. */
	helper_hold();
	kport_shut(true);
	lock_wheels();
	slot_hold();
	forker = th;
	forker_tls = arch_tls();
	if (lw && !runtime.rt_guests && forker_tls != lw->lw_kernel_tls) {
		arch_tls_set(lw->lw_kernel_tls);
		guard_block(true);
	}
}

static void restore_tls(void)
{
	if (arch_tls() != forker_tls) {
		bool due = guard_block(false);

		arch_tls_set(forker_tls);
		if (due)
			note_due();
	}
	slot_release();
	unlock_wheels();
}

void sched_fork_parent(void)
{
	restore_tls();
	helper_release();
	kport_shut(false);
	end_release();
	guard_leave();
}

static bool is_any(uint64_t what)
{
	(void)what;
	return true;
}

/* Timers of messages to the orphans; those of threads, ours too, are forgotten. */
static void empty_wheel(struct wheel *wh, struct ell_msg **orphans)
{
	struct timer *tm = timer_take_all(wh, is_any);

	while (tm) {
		struct timer *next = tm->tm_next;

		if (!(tm->tm_what & 1)) {
			struct ell_msg *m = (struct ell_msg *)(uintptr_t)tm->tm_what;

			m->ms_next = NULL;
			kport_orphans(orphans, m);
		}
		tm = next;
	}
	wheel_init(wh, ell_now());
	wh->wh_due = deadline_due;
}

static bool bury(struct thread *th, void *own)
{
	if (th == own)
		return true;
	park_bury(th);
	store_relaxed(&th->th_id, (ell_thread)0);
	return true;
}

/* The vCPU that is left is as it was at the start. */
static void clear_vcpu(struct vcpu *vc)
{
	vc->vc_next = NULL;
	vc->vc_own_next = NULL;
	vc->vc_own_first = NULL;
	vc->vc_own_last = NULL;
	vc->vc_turns = 0;
	vc->vc_searching = false;
	vc->vc_watching = false;
	vc->vc_number = 0;
	vc->vc_head = 0;
	vc->vc_tail = 0;
	vc->vc_more_lock = 0;
	vc->vc_more_first = NULL;
	vc->vc_more_last = NULL;
	vc->vc_more_count = 0;
	vc->vc_inbox = NULL;
}

static void clear_runtime(struct lwp *lw)
{
	end_forked();
	monitor_forked();
	for (unsigned i = 0; i < VCPUS_MAX / 64; i++)
		runtime.rt_idle[i] = 0;
	runtime.rt_searching = 0;
	runtime.rt_watch = 0;
	runtime.rt_migrate = false;
	runtime.rt_solo = true;
	runtime.rt_forked = true;
	runtime.rt_count = lw ? 1 : 0;
	limit_begin(runtime.rt_count, false);
	runtime.rt_lwp_count = 0;
	if (!lw) {
		sched_start_forget();
		return;
	}
	/* One whose vCPU was given away takes any: nobody else has them. */
	if (load_relaxed(&lw->lw_asked) != HANDOFF_HOLDS) {
		lw->lw_vcpu = runtime.rt_vcpus;
		lw->lw_vcpu->vc_lwp = lw;
		lw->lw_asked = HANDOFF_HOLDS;
		store_relaxed(&lw->lw_kport->kp_sleep, KPORT_AWAKE);
	}
	lw->lw_ring_lock = 0;
	clear_vcpu(lw->lw_vcpu);
	runtime.rt_vcpus = lw->lw_vcpu;
	runtime.rt_lwps = lw;
	runtime.rt_lwp_count = 1;
	lw->lw_number = 0;
	lw->lw_kport->kp_number = 0;
}

/* Watches have no sender who would take the reply. */
static void reply_to_orphans(struct ell_msg *m)
{
	while (m) {
		struct ell_msg *next = m->ms_next;
		bool watch = m->ms_op == ELL_OP_WATCH;

		m->ms_next = NULL;
		if (watch)
			kport_above.forked(m);
		message_reply(m, m->ms_result);
		if (watch)
			kport_above.event(m, -ECANCELED);
		m = next;
	}
}

void sched_fork_child(void)
{
	struct ell_msg *orphans = NULL;
	struct lwp *lw;

	restore_tls();
	if (runtime.rt_guests)
		arch_lwp_set(NULL);
	lw = arch_lwp_or_null();
	interrupt_forked(lw);
	kport_shut(false);
	thread_each(bury, runtime.rt_guests ? NULL : forker);
	for (unsigned i = 0; i < runtime.rt_count; i++)
		empty_wheel(&runtime.rt_vcpus[i].vc_wheel, &orphans);
	for (unsigned i = 0; i < runtime.rt_lwp_count; i++)
		kport_forked(runtime.rt_lwps[i].lw_kport, &orphans);
	helper_forked(&orphans);
	if (forker) {
		forker->th_wheel = NULL;
		forker->th_until = ELL_FOREVER;
	}
	clear_runtime(lw);
	if (!lw) {
		send_disconnect();
		forker->th_tid = sys.gettid();
		/* It has that of the LWP which made it, and nobody looks there; but who starts the runtime will. */
		arch_lwp_set(NULL);
	}
	reply_to_orphans(orphans);
	guard_leave();
}
