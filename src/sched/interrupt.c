/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interrupt.c - a thread does something else for a while, wherever it is
 *
 * Purpose: upcalls and signals reach a thread that computes, sleeps, or waits for its turn; and everybody can be
 * brought to a halt, for a fork or for the report of a crash.
 *
 * Words: to KICK a kernel thread is to send it the library's own signal. Its handler runs on the alternate stack of the
 * LWP, sees whom it has interrupted, and does nothing that takes time. A thread that is at depth 0 (base/guard.h) is
 * INTERRUPTED: the handler puts a frame on the thread's own stack and lets it go on in a function, which is an ordinary
 * one: it may wait, and come back on another LWP, or leave by longjmp(). At its end rt_sigreturn(2) restores what was
 * interrupted (arch_interrupt()). The mask and the alternate stack in the frame are those of the LWP on which it was
 * made; just before the end they become those of the LWP that runs it then.
 *
 * At another depth the handler leaves a hint, cr_due, and the thread interrupts itself at the end of the stretch.
 *
 * Can a thread be missed? th_wanted says that something is wanted of it.
 *
 *	who wants				the thread, and who switches
 *	1. th_wanted = 1			a. lw_current = thread, then th_wanted is looked at
 *	2. a barrier on all CPUs		b. th_wait = PARKED, then th_wanted is looked at
 *	3. th_wait is PARKED: wakes it		c. the kick comes: th_wanted is looked at
 *	4. lw_current is the thread on some
 *	   LWP: kicks that
 *
 * With the barrier, of a and 4, and of b and 3, one sees the other. A thread in a run queue will come to a. Where
 * membarrier(2) is missing, 4 is: kicks every LWP, for a signal's arrival is a barrier.
 *
 * A kick is on its way to an LWP at most once (lw_kicked).
 *
 * Stopping: interrupt_stop is set, everybody is kicked, and waits in the handler if at depth 0, else at the end of the
 * stretch, or in scheduler context between two rounds. A foreign thread that sleeps stops where it is. Who sleeps in a
 * kernel port is woken, and stops before its next round. Only one stops the others at a time; a second one is stopped,
 * too, before its own turn comes.
 *
 * What anybody may do, interrupt_any, is taken up between two rounds, or by whoever is interrupted for it. A vCPU that
 * sleeps is woken; if none does, one is kicked. A kick that comes to scheduler context finds nobody to interrupt, but
 * then who is switched to looks (sched/switch.c).
 *
 * With the thread sanitizer nobody is interrupted in the middle, for it must see each switch between functions: what is
 * wanted comes at the end of the next guarded stretch. Under valgrind the same, whose rt_sigreturn(2) takes only frames
 * of its own.
 */
#include "sched/interrupt.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/panic.h"
#include "kport/kport.h"
#include "mem/valgrind.h"
#include "sched/current.h"
#include "sched/handoff.h"
#include "sched/sched.h"
#include "sys/signals.h"
#include "sys/sys.h"

enum { NAP_NS = 20000, SPINS = 200 };

uint32_t interrupt_stop, interrupt_any;
struct interrupt_counts interrupt_counts;

static void no_work(struct thread *th, void *frame)
{
	(void)th;
	(void)frame;
}

void (*interrupt_work)(struct thread *th, void *frame) = no_work;
void (*interrupt_any_work)(void);
uint32_t (*interrupt_begins)(void);
void (*interrupt_ends)(uint32_t before);

static struct {
	bool has_barrier;
	uint32_t stopper; /* 1: somebody stops the others */
	uint32_t number;  /* of the last stop */
} state;

#define COUNT(what) fetch_add_relaxed(&interrupt_counts.what, 1)

int interrupt_signal(void)
{
	return last_signal();
}

/* Where the calling kernel thread says that it waits. */
static uint32_t *own_held(void)
{
	struct lwp *lw = arch_lwp_or_null();

	return lw ? &lw->lw_held : &thread_foreign()->th_held;
}

/* Waits until nobody is to stop. Context: any but a handler that has interrupted a guarded stretch. */
static void hold(uint32_t *held)
{
	uint32_t stop;

	while ((stop = load_seq_cst(&interrupt_stop)) != 0) {
		store_seq_cst(held, stop); /* ORD stop-1: pairs with ORD stop-2 */
		sys.futex(&interrupt_stop, FUTEX_WAIT_PRIVATE, stop, NULL, 0);
	}
	store_release(held, 0);
}

void interrupt_hold(void)
{
	hold(own_held());
}

void interrupt_do_any(void)
{
	struct thread *th = arch_lwp_or_null() ? arch_thread() : NULL;

	if (!arch_lwp_or_null() || !xchg_seq_cst(&interrupt_any, 0))
		return;
	if (th)
		th->th_upcalls++;
	interrupt_any_work();
	if (th)
		th->th_upcalls--;
}

/* What is due, at depth 1. */
static void run_due(void *frame)
{
	struct thread *th = thread_current();

	do {
		ell_critical_self.cr_due = 0;
		interrupt_point();
		if (load_relaxed(&th->th_wanted) || frame) {
			xchg_acq_rel(&th->th_wanted, 0);
			interrupt_work(th, frame);
		}
	} while (ell_critical_self.cr_due);
}

/* At depth 0, where a guarded stretch ends. */
static void due(void)
{
	int error = errno;

	do {
		ell_critical_self.cr_depth++;
		run_due(NULL);
		__asm__ volatile("" ::: "memory");
		ell_critical_self.cr_depth--;
		__asm__ volatile("" ::: "memory");
	} while (ell_critical_self.cr_due);
	errno = error;
}

/* The copied context is restored by the LWP that runs us now. */
static void settle_frame(void *frame)
{
	ucontext_t *uc = arch_frame_context(frame);
	sigset_t mask;

	sys.pthread_sigmask(SIG_SETMASK, NULL, &mask);
	/* The kernel's mask has eight bytes. */
	memcpy(&uc->uc_sigmask, &mask, sizeof(uint64_t));
	sys.sigaltstack(NULL, &uc->uc_stack);
}

static void interrupted(void *frame)
{
	int error = errno;

	run_due(frame);
	settle_frame(frame);
	errno = error;
}

static inline bool is_on_alternate_stack(const void *context)
{
	const stack_t *stack = &((const ucontext_t *)context)->uc_stack;
	uintptr_t sp = arch_context_sp(context);

	return !(stack->ss_flags & SS_DISABLE) && sp - (uintptr_t)stack->ss_sp < stack->ss_size;
}

bool interrupt_is_possible(const void *context)
{
#ifdef WITH_TSAN
	(void)context;
	return false;
#else
	return ell_critical_self.cr_depth == 0 && arch_lwp_or_null() && arch_thread() &&
	       !is_on_alternate_stack(context) && !valgrind_runs();
#endif
}

bool interrupt_from_handler(void *context, const void *info)
{
	struct thread *th = arch_lwp_or_null() ? arch_thread() : NULL;

	if (!th)
		return false;
	store_relaxed(&th->th_wanted, 1);
	if (arch_interrupt_again(context)) {
		ell_critical_self.cr_due = 1;
		return true;
	}
	if (!interrupt_is_possible(context)) {
		ell_critical_self.cr_due = 1;
		COUNT(deferred);
		return false;
	}
	COUNT(at_once);
	ell_critical_self.cr_depth = 1;
	arch_interrupt(context, info, NULL);
	return true;
}

/* May the thread that was interrupted at CONTEXT stand still? */
static bool may_hold(const struct lwp *lw, void *context)
{
	if (!lw && load_relaxed(&thread_foreign()->th_futex))
		return true;
	return ell_critical_self.cr_depth == 0 && !arch_interrupt_again(context);
}

static void on_kick(int number, siginfo_t *info, void *context)
{
	struct lwp *lw = arch_lwp_or_null();
	struct thread *th = lw ? arch_thread() : NULL;
	int error = errno;
	uint32_t before = interrupt_begins ? interrupt_begins() : 0;

	(void)number;
	(void)info;
	if (lw) {
		store_seq_cst(&lw->lw_kicked, 0); /* ORD kick-1: pairs with ORD kick-2 */
		handoff_kicked(lw);
	}
	if (load_seq_cst(&interrupt_stop)) {
		if (may_hold(lw, context))
			hold(own_held());
		else
			ell_critical_self.cr_due = 1;
	}
	if (th && (load_relaxed(&th->th_wanted) || load_relaxed(&interrupt_any)))
		interrupt_from_handler(context, NULL);
	else
		COUNT(in_vain);
	if (interrupt_ends)
		interrupt_ends(before);
	errno = error;
}

void interrupt_start(void)
{
	struct sigaction action = {.sa_sigaction = on_kick, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};

	arch_interrupted = interrupted;
	guard_due = due;
	state.has_barrier = sys.membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
	sigfillset(&action.sa_mask);
	sys.sigaction(interrupt_signal(), &action, NULL);
}

void interrupt_allow(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, interrupt_signal());
	sys.pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void kick(struct lwp *lw)
{
	/* ORD kick-2: pairs with ORD kick-1: a kick that is on its way looks after this. */
	if (xchg_seq_cst(&lw->lw_kicked, 1))
		return;
	COUNT(kicks);
	sys.tgkill(sys.getpid(), lw->lw_tid, interrupt_signal());
}

void interrupt_thread(struct thread *th)
{
	bool everybody = !state.has_barrier;

	if (xchg_seq_cst(&th->th_wanted, 1))
		return;
	if (!everybody)
		sys.membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	if (park_interrupt(th)) {
		COUNT(asleep);
		return;
	}
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		struct lwp *lw = &runtime.rt_lwps[i];

		if (everybody || load_relaxed(&lw->lw_current) == th)
			kick(lw);
	}
}

void interrupt_anybody(void)
{
	static uint32_t turn;
	struct lwp *lw = arch_lwp_or_null();

	store_seq_cst(&interrupt_any, 1);
	for (unsigned i = 0; i < runtime.rt_count; i++) {
		struct kport *kp = runtime.rt_vcpus[i].vc_lwp->lw_kport;

		if (load_seq_cst(&kp->kp_sleep) == KPORT_ASLEEP) {
			kport_wake_from_handler(kp);
			return;
		}
	}
	if (!lw && runtime.rt_count)
		lw = runtime.rt_vcpus[fetch_add_relaxed(&turn, 1) % runtime.rt_count].vc_lwp;
	if (lw)
		kick(lw);
}

static bool kick_foreign(struct thread *th, void *own)
{
	if (load_relaxed(&th->th_kind) == THREAD_FOREIGN && &th->th_held != own && th->th_tid) {
		COUNT(kicks);
		sys.tgkill(sys.getpid(), th->th_tid, interrupt_signal());
	}
	return true;
}

/* Waits until *HELD says so, or UNTIL. */
static bool comes_in_time(const uint32_t *held, uint32_t stop, ell_time until)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};

	for (unsigned tries = 0; load_seq_cst(held) != stop; tries++) { /* ORD stop-2: pairs with ORD stop-1 */
		if (tries < SPINS) {
			arch_pause();
			continue;
		}
		if (ell_now() >= until)
			return false;
		sys.nanosleep(&nap, NULL);
	}
	return true;
}

struct count {
	uint32_t *own;
	uint32_t stop;
	ell_time until;
	unsigned late;
};

static bool wait_for_foreign(struct thread *th, void *arg)
{
	struct count *count = arg;

	if (load_relaxed(&th->th_kind) == THREAD_FOREIGN && &th->th_held != count->own && th->th_tid &&
	    load_acquire(&th->th_id) && !comes_in_time(&th->th_held, count->stop, count->until) &&
	    load_acquire(&th->th_id))
		count->late++;
	return true;
}

unsigned sched_stop_others(ell_time until)
{
	struct lwp *self = arch_lwp_or_null();
	struct count count = {.until = until};
	uint32_t nobody = 0;

	guard_enter();
	count.own = own_held();
	while (!cas_seq_cst(&state.stopper, &nobody, 1)) {
		hold(count.own);
		arch_pause();
		nobody = 0;
	}
	state.number += 1 + (state.number + 1 == 0);
	count.stop = state.number;
	store_seq_cst(&interrupt_stop, count.stop);
	COUNT(stops);
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		struct lwp *lw = &runtime.rt_lwps[i];

		if (lw == self)
			continue;
		kport_wake_from_handler(lw->lw_kport);
		kick(lw);
	}
	thread_each(kick_foreign, count.own);
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		struct lwp *lw = &runtime.rt_lwps[i];

		if (lw != self && !comes_in_time(&lw->lw_held, count.stop, until))
			count.late++;
	}
	thread_each(wait_for_foreign, &count);
	fetch_add_relaxed(&interrupt_counts.late, count.late);
	return count.late;
}

static void end_stop(void)
{
	store_seq_cst(&interrupt_stop, 0);
	store_release(&state.stopper, 0);
}

void sched_resume_others(void)
{
	end_stop();
	sys.futex(&interrupt_stop, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, 0);
	guard_leave();
}

void interrupt_forked(struct lwp *lw)
{
	end_stop();
	if (!lw)
		return;
	lw->lw_tid = sys.gettid();
	lw->lw_kicked = 0;
	lw->lw_held = 0;
}
