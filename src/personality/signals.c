/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * signals.c - masks, alternate stacks, and signals from one thread to another
 *
 * A guest has a mask and an alternate stack of its own, and an LWP gets them when the guest goes back to the program,
 * if it was another one that was there before. An LWP that idles has the mask of the process' first thread: signals to
 * the process find somebody who takes them if that thread would.
 *
 * A signal to a guest is noted, its wait is interrupted, and on its way back to the program it sends the signal to the
 * LWP that it is on: the kernel then builds the frame, on the right stack. So SIGCANCEL works, and pthread_kill(). The
 * LWP of one that is in the program is kicked (sched/interrupt.c), and the handler of the kick does the same.
 *
 * SIGSETXID, by which the C library asks all threads to change their credentials, has no guest as its target: LWPs have
 * credentials, and the C library knows them and asks them, too.
 *
 * Not here: how a signal to the process finds a guest (route.c).
 */
#include "personality/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "message/message.h"
#include "personality/guest.h"
#include "personality/offload.h"
#include "personality/route.h"
#include "personality/stats.h"
#include "sched/interrupt.h"
#include "sched/lwp.h"
#include "sched/sched.h"
#include "sched/vcpu.h"
#include "sys/sys.h"

enum { SIGSETXID_NUMBER = 33, SIGNALS = 64, SET_SIZE = 8 };

#define UNBLOCKABLE (UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1))

/* The C library's own. */
#define INTERNAL (UINT64_C(3) << 31)

/* How calls come to us: the kernel ends a process that blocks it. */
#define TRAP (UINT64_C(1) << (SIGSYS - 1))

/* What no thread of the program's can block: that, and, when the runtime has started, the library's own signal. */
static uint64_t hidden = TRAP;

static void set_mask(uint64_t mask)
{
	RAW(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, SET_SIZE);
}

static uint64_t get_mask(void)
{
	uint64_t mask = 0;

	RAW(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, SET_SIZE);
	return mask;
}

/* An LWP is about to sleep. */
static void idle(void)
{
	static const stack_t none = {.ss_flags = SS_DISABLE};
	struct guest_lwp *gl = guest_lwp();
	uint64_t mask = load_relaxed(&guest_main.gu_mask);

	/* The guest that was here may be in a handler on that stack, elsewhere: another signal must not use it here. */
	if (gl->gl_alternate) {
		RAW(SYS_sigaltstack, &none, NULL);
		gl->gl_alternate = false;
		gl->gl_guest = NULL;
	}
	if (gl->gl_mask == mask)
		return;
	set_mask(mask);
	store_relaxed(&gl->gl_mask, mask);
	gl->gl_guest = NULL;
}

/* The mask of the first thread that idle LWPs have been told of. */
static uint64_t told;

static bool is_stale(const struct lwp *lw)
{
	return !load_relaxed(&lw->lw_current) &&
	       load_relaxed(&guest_lwp_of(lw)->gl_mask) != load_relaxed(&guest_main.gu_mask);
}

static bool is_any_stale(void)
{
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		if (is_stale(&runtime.rt_lwps[i]))
			return true;
	}
	return false;
}

/*
 * The first thread has changed its mask: LWPs that sleep get it, too, before this returns, lest they take a signal that
 * nobody wants now. Not when it blocks all there are, which the C library does for a moment whenever it makes a thread.
 */
static void tell_idle(uint64_t mask)
{
	const struct timespec nap = {.tv_nsec = 20000};

	if (mask == told || (mask | UNBLOCKABLE | hidden | INTERNAL) == ~UINT64_C(0))
		return;
	told = mask;
	sched_wake_lwps();
	for (int tries = 0; tries < 100 && is_any_stale(); tries++)
		RAW(SYS_nanosleep, &nap, NULL);
}

uint64_t signals_hold(void)
{
	uint64_t mask = get_mask();

	set_mask(~TRAP);
	return mask;
}

void signals_release(uint64_t mask)
{
	set_mask(mask);
}

void signals_begin(void)
{
	guest_main.gu_mask = get_mask() & ~hidden;
	set_mask(guest_main.gu_mask);
	guest_main.gu_alternate.ss_flags = SS_DISABLE;
}

/* The handler of the library's own signal ends where calls are let through, wherever it has begun. */
static void redirect_return(int number)
{
	struct action action;

	if (RAW(SYS_rt_sigaction, number, NULL, &action, SET_SIZE) != 0)
		return;
	action.restorer = (void *)entry_restorer;
	/* What comes to a thread in it may park, and then an alternate stack is not the LWP's any more. */
	action.flags &= ~(uint64_t)SA_ONSTACK;
	RAW(SYS_rt_sigaction, number, &action, NULL, SET_SIZE);
}

void signals_start(void)
{
	redirect_return(interrupt_signal());
	hidden |= UINT64_C(1) << (interrupt_signal() - 1);
	guest_main.gu_mask = get_mask();
	told = guest_main.gu_mask;
	RAW(SYS_sigaltstack, NULL, &guest_main.gu_alternate);
	guest_main.gu_lwp = guest_lwp();
	guest_lwp()->gl_guest = &guest_main;
	guest_lwp()->gl_mask = guest_main.gu_mask;
	sched_idles = idle;
	route_start();
}

void signals_lwp_begins(void)
{
	/* It has that of the thread that made it. */
	guest_lwp()->gl_mask = get_mask();
}

void signals_settle(void)
{
	struct guest_lwp *gl = guest_lwp();
	struct guest *gu = guest_self;
	bool has;

	/* If both are so nobody has been here, and we have been nowhere else. */
	if (LIKELY(gl->gl_guest == gu && gu->gu_lwp == gl))
		return;
	if (gl->gl_mask != gu->gu_mask)
		set_mask(gu->gu_mask);
	gl->gl_mask = gu->gu_mask;
	has = !(gu->gu_alternate.ss_flags & SS_DISABLE);
	if (has || gl->gl_alternate)
		RAW(SYS_sigaltstack, &gu->gu_alternate, NULL);
	gl->gl_alternate = has;
	gl->gl_guest = gu;
	gu->gu_lwp = gl;
}

static uint64_t deliverable(const struct guest *gu)
{
	return load_relaxed(&gu->gu_pending) & ~gu->gu_mask & ~gu->gu_wanted;
}

void signals_deliver(void)
{
	struct guest *gu = guest_self;
	uint64_t set;

	while ((set = deliverable(gu)) != 0) {
		int signal = __builtin_ctzll(set) + 1;
		long process = RAW(SYS_getpid), lwp = RAW(SYS_gettid);

		__atomic_fetch_and(&gu->gu_pending, ~(UINT64_C(1) << (signal - 1)), __ATOMIC_ACQ_REL);
		if (!route_deliver(gu, signal))
			RAW(SYS_tgkill, process, lwp, signal);
	}
}

void signals_kicked(void)
{
	const struct guest *gu = guest_self;

	if (!gu->gu_thread || !deliverable(gu))
		return;
	/* The handler blocks all: those that are sent are to come before it returns. */
	set_mask(gu->gu_mask);
	signals_deliver();
}

void signals_return(const ucontext_t *frame)
{
	struct guest *gu = guest_self;
	uint64_t mask;

	memcpy(&mask, &frame->uc_sigmask, sizeof(mask));
	store_relaxed(&gu->gu_mask, mask & ~UNBLOCKABLE);
	/* This LWP may be another one than at the beginning of the handler; it gets that mask with the return. */
	guest_lwp()->gl_mask = gu->gu_mask;
	if (gu->gu_thread)
		signals_settle();
}

bool signals_restart(void)
{
	uint64_t set = deliverable(guest_self);

	while (set) {
		struct action action = {0};

		RAW(SYS_rt_sigaction, __builtin_ctzll(set) + 1, NULL, &action, SET_SIZE);
		if (!(action.flags & SA_RESTART) && action.handler != (void *)SIG_IGN)
			return false;
		set &= set - 1;
	}
	return true;
}

bool guest_interrupted(void)
{
	return deliverable(guest_self) != 0;
}

void guest_wait_begin(park_ticket ticket)
{
	store_relaxed(&guest_self->gu_ticket, ticket);
}

void guest_wait_end(void)
{
	store_relaxed(&guest_self->gu_ticket, 0);
}

bool guest_sleep(ell_time until)
{
	park_ticket ticket = park_prepare();
	bool ended = false;

	guest_wait_begin(ticket);
	fence_seq_cst(); /* ORD guest-1: pairs with ORD guest-2 */
	if (!guest_interrupted() || !park_cancel(ticket))
		ended = !park_commit(ticket, PARK_SLEEP, until);
	guest_wait_end();
	return !ended && ell_now() < until;
}

int64_t guest_do(struct ell_msg *m, int64_t until)
{
	struct guest *gu = guest_self;
	int64_t result;
	bool in_time;
	int error;

	count_up(&stats.messages, 1);
	if (deliverable(gu))
		return -EINTR;
	error = ell_msg_send(m);
	if (error)
		return error;
	lock_acquire(&gu->gu_lock);
	gu->gu_message = m;
	lock_release(&gu->gu_lock);
	/* Who sent a signal before that found no message. */
	if (deliverable(gu))
		ell_msg_revoke(m);
	in_time = ell_msg_wait(m, until) == 0;
	lock_acquire(&gu->gu_lock);
	gu->gu_message = NULL;
	lock_release(&gu->gu_lock);
	if (!in_time) {
		ell_msg_revoke(m);
		ell_msg_wait(m, ELL_FOREVER);
	}
	result = m->ms_result;
	if (result == -ECANCELED)
		return in_time ? -EINTR : -ETIMEDOUT;
	return result;
}

bool guest_take_back(struct guest *gu, int signal)
{
	uint64_t bit = UINT64_C(1) << (signal - 1);

	return __atomic_fetch_and(&gu->gu_pending, ~bit, __ATOMIC_ACQ_REL) & bit;
}

/* A helper waits for signals on behalf of GU: it gets those that are there. */
static void forward_locked(struct guest *gu)
{
	uint64_t set = load_relaxed(&gu->gu_pending) & gu->gu_wanted;

	__atomic_fetch_and(&gu->gu_pending, ~set, __ATOMIC_ACQ_REL);
	gu->gu_forwarded |= set;
	for (; set; set &= set - 1)
		RAW(SYS_tgkill, sys.getpid(), gu->gu_helper, __builtin_ctzll(set) + 1);
}

static void stop_locked(struct guest *gu)
{
	if (load_relaxed(&gu->gu_stop))
		return;
	store_relaxed(&gu->gu_stop, 1);
	if (offload_signal)
		RAW(SYS_tgkill, sys.getpid(), gu->gu_helper, offload_signal);
}

void guest_helped(struct guest *gu, int tid)
{
	lock_acquire(&gu->gu_lock);
	gu->gu_helper = tid;
	store_relaxed(&gu->gu_stop, 0);
	forward_locked(gu);
	if (deliverable(gu))
		stop_locked(gu);
	lock_release(&gu->gu_lock);
}

void guest_helped_no_more(struct guest *gu, int64_t result)
{
	const struct timespec now = {0};
	uint64_t late;

	lock_acquire(&gu->gu_lock);
	gu->gu_helper = 0;
	late = gu->gu_forwarded;
	gu->gu_forwarded = 0;
	lock_release(&gu->gu_lock);
	/* What was sent meanwhile arrives here, and interrupts no other call. */
	if (load_relaxed(&gu->gu_stop))
		RAW(SYS_getpid);
	if (late && result > 0 && result <= SIGNALS)
		late &= ~(UINT64_C(1) << (result - 1));
	for (; late; late &= late - 1) {
		uint64_t one = late & -late;

		if (RAW(SYS_rt_sigtimedwait, &one, NULL, &now, SET_SIZE) > 0)
			__atomic_fetch_or(&gu->gu_pending, one, __ATOMIC_ACQ_REL);
	}
}

void guest_signal(struct guest *gu, int signal)
{
	park_ticket ticket;
	bool runs;

	__atomic_fetch_or(&gu->gu_pending, UINT64_C(1) << (signal - 1), __ATOMIC_SEQ_CST);
	if (gu == guest_self)
		return;
	ticket = load_seq_cst(&gu->gu_ticket); /* ORD guest-2: pairs with ORD guest-1 */
	lock_acquire(&gu->gu_lock);
	if (gu->gu_helper)
		forward_locked(gu);
	runs = deliverable(gu) && !gu->gu_helper && !ticket && !gu->gu_message;
	if (deliverable(gu)) {
		if (gu->gu_helper)
			stop_locked(gu);
		if (ticket)
			park_unpark(ticket);
		/* One that is replied has a waiter that is on its way; the lock keeps its memory. */
		if (gu->gu_message && message_state(gu->gu_message) == MESSAGE_SENT)
			ell_msg_revoke(gu->gu_message);
	}
	lock_release(&gu->gu_lock);
	if (runs)
		route_interrupt(gu);
}

/* Signal number, thread number; GROUP: whether it is one of this process, or 0 for any. */
static int64_t to_thread(const struct entry_regs *g, int64_t group, int tid, int64_t signal)
{
	struct guest *gu = guest_find(tid);

	if (!gu) {
		if (tid >= GUEST_TID_FIRST)
			return -ESRCH;
		return RAW((long)g->rax, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9);
	}
	if (group && group != RAW(SYS_getpid))
		return -ESRCH;
	if (signal < 0 || signal > SIGNALS)
		return -EINVAL;
	if (signal == SIGSETXID_NUMBER)
		return gu == &guest_main ? RAW((long)g->rax, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9) : -ESRCH;
	if (signal > 0)
		guest_signal(gu, (int)signal);
	return 0;
}

int64_t signals_tgkill(struct entry_regs *g)
{
	return to_thread(g, (int32_t)g->rdi, (int)g->rsi, (int32_t)g->rdx);
}

int64_t signals_tkill(struct entry_regs *g)
{
	return to_thread(g, 0, (int)g->rdi, (int32_t)g->rsi);
}

/* rt_tgsigqueueinfo(): what comes with the signal does not reach a thread. */
int64_t signals_queue(struct entry_regs *g)
{
	if (guest_find((int)g->rsi))
		return refuse("a signal with a value to one thread");
	return RAW(SYS_rt_tgsigqueueinfo, g->rdi, g->rsi, g->rdx, g->r10);
}

/* To the process itself: it has arrived at its thread before the call returns. */
int64_t signals_kill(struct entry_regs *g)
{
	siginfo_t info = {.si_signo = (int)g->rsi, .si_code = SI_USER};

	if (guest_self->gu_thread && (int32_t)g->rdi == sys.getpid()) {
		info.si_pid = (int32_t)g->rdi;
		info.si_uid = (uint32_t)RAW(SYS_getuid);
		if (route_send(&info))
			return 0;
	}
	return RAW(SYS_kill, g->rdi, g->rsi);
}

int64_t signals_mask(struct entry_regs *g)
{
	struct guest *gu = guest_self;
	const uint64_t *wanted = (const uint64_t *)g->rsi;
	uint64_t mask = wanted && g->r10 == SET_SIZE ? *wanted : 0;
	int64_t error;

	if (g->rdi != SIG_UNBLOCK)
		mask &= ~hidden;
	if (gu->gu_thread)
		signals_settle();
	error = RAW(SYS_rt_sigprocmask, g->rdi, wanted ? &mask : NULL, g->rdx, g->r10);
	if (error || (!g->rsi && gu->gu_thread))
		return error;
	mask = get_mask();
	store_relaxed(&gu->gu_mask, mask);
	guest_lwp()->gl_mask = mask;
	route_look();
	if (gu == &guest_main && gu->gu_thread)
		tell_idle(mask);
	return 0;
}

/* One of the signals in SET that were sent to the caller: 0 if there is none. */
static int take(uint64_t set, siginfo_t *info)
{
	struct guest *gu = guest_self;
	int signal;

	set &= load_relaxed(&gu->gu_pending);
	if (!set)
		return 0;
	signal = __builtin_ctzll(set) + 1;
	if (!guest_take_back(gu, signal))
		return 0;
	if (!route_take(gu, signal, info))
		*info = (siginfo_t){.si_signo = signal, .si_code = SI_TKILL};
	return signal;
}

int64_t signals_timedwait(struct entry_regs *g)
{
	struct guest *gu = guest_self;
	siginfo_t *info = (siginfo_t *)g->rsi, taken;
	const struct timespec *most = (const struct timespec *)g->rdx, now = {0};
	int64_t result = RAW(SYS_rt_sigtimedwait, g->rdi, g->rsi, &now, g->r10);

	if (result != -EAGAIN)
		return result;
	store_relaxed(&gu->gu_wanted, *(const uint64_t *)g->rdi & ~(UNBLOCKABLE | hidden));
	result = take(gu->gu_wanted, &taken);
	if (result && info)
		*info = taken;
	if (!result && most && !most->tv_sec && !most->tv_nsec)
		result = -EAGAIN;
	if (!result) {
		route_look();
		result = offload(g);
	}
	store_relaxed(&gu->gu_wanted, 0);
	return result;
}

int64_t signals_pause(struct entry_regs *g)
{
	(void)g;
	return guest_sleep(ELL_FOREVER) ? -EINTR : 0;
}

/* With another mask, until a handler has run; then the mask is as before. */
int64_t signals_suspend(struct entry_regs *g)
{
	struct guest *gu = guest_self;
	uint64_t before = gu->gu_mask;

	/* An LWP that idles takes signals to the process for the first thread only. */
	if (gu != &guest_main || g->rsi != SET_SIZE)
		return offload(g);
	store_relaxed(&gu->gu_mask, *(const uint64_t *)g->rdi & ~(UNBLOCKABLE | hidden));
	gu->gu_lwp = NULL;
	signals_settle();
	route_look();
	guest_sleep(ELL_FOREVER);
	/* The handlers run. */
	entry_leave();
	entry_enter();
	store_relaxed(&gu->gu_mask, before);
	gu->gu_lwp = NULL;
	signals_settle();
	return -EINTR;
}

/* SIGSYS is ours, and nobody else's calls cause it: to ignore it or not makes no difference. */
static int64_t trap_action(const struct action *asked, struct action *old)
{
	static struct action now;
	struct action before = now;

	if (asked && asked->handler != (void *)SIG_DFL && asked->handler != (void *)SIG_IGN)
		return refuse("a handler for SIGSYS");
	if (asked)
		now = *asked;
	if (old)
		*old = before;
	return 0;
}

int64_t signals_action(struct entry_regs *g)
{
	const struct action *asked = (const struct action *)g->rsi;
	struct action *old = (struct action *)g->rdx;
	struct action action, before = {0};
	int64_t error = 0;
	int number = (int)g->rdi;

	if (number < 1 || number > SIGNALS || g->r10 != SET_SIZE)
		return RAW(SYS_rt_sigaction, g->rdi, g->rsi, g->rdx, g->r10);
	if (number == SIGSYS)
		return trap_action(asked, old);
	if (asked && guest_self->gu_thread && number == interrupt_signal() && asked->handler != (void *)SIG_DFL)
		return refuse("another use of the last real-time signal, which is the library's,");
	if (old || !asked)
		error = RAW(SYS_rt_sigaction, number, NULL, &before, SET_SIZE);
	route_unwrap(number, &before);
	if (!error && asked) {
		action = *asked;
		action.mask &= ~hidden;
		route_wrap(number, &action);
		error = RAW(SYS_rt_sigaction, number, &action, NULL, SET_SIZE);
	}
	if (!error && old)
		*old = before;
	return error;
}

int64_t signals_alternate(struct entry_regs *g)
{
	int64_t error;

	signals_settle();
	error = RAW(SYS_sigaltstack, g->rdi, g->rsi);
	if (!error && g->rdi)
		RAW(SYS_sigaltstack, NULL, &guest_self->gu_alternate);
	/* Flags of the moment are no flags of the stack. */
	guest_self->gu_alternate.ss_flags &= ~SS_ONSTACK;
	guest_lwp()->gl_alternate = !(guest_self->gu_alternate.ss_flags & SS_DISABLE);
	return error;
}
