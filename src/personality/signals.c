/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * signals.c - masks, alternate stacks, and signals from one thread to another
 *
 * The program's handlers are the kernel's to call. A guest has a mask and an alternate stack of its own, and an LWP
 * gets them when the guest goes back to the program, if it was another one that was there before. An LWP that idles has
 * the mask of the process' first thread: signals to the process find somebody who takes them if that thread would.
 *
 * A signal to a guest is noted, its wait is interrupted, and on its way back to the program it sends the signal to the
 * LWP that it is on: the kernel then builds the frame, on the right stack. So SIGCANCEL works, and pthread_kill(). One
 * that computes gets it at its next system call that is not simply passed.
 *
 * SIGSETXID, by which the C library asks all threads to change their credentials, has no guest as its target: LWPs have
 * credentials, and the C library knows them and asks them, too.
 *
 * Not here, yet: a signal to the process does not interrupt the waits of threads that are parked.
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
#include "personality/stats.h"
#include "sched/sched.h"

enum { SIGSETXID_NUMBER = 33, SIGNALS = 64, SET_SIZE = 8 };

#define UNBLOCKABLE (UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1))

/* How calls come to us: the kernel ends a process that blocks it. */
#define TRAP (UINT64_C(1) << (SIGSYS - 1))

/* As the kernel has it. */
struct action {
	void *handler;
	uint64_t flags;
	void *restorer;
	uint64_t mask;
};

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
	struct guest_lwp *gl = guest_lwp();

	uint64_t mask = load_relaxed(&guest_main.gu_mask);

	if (gl->gl_mask == mask)
		return;
	set_mask(mask);
	gl->gl_mask = mask;
	gl->gl_guest = NULL;
}

void signals_begin(void)
{
	guest_main.gu_mask = get_mask() & ~TRAP;
	set_mask(guest_main.gu_mask);
	guest_main.gu_alternate.ss_flags = SS_DISABLE;
}

void signals_start(void)
{
	guest_main.gu_mask = get_mask();
	RAW(SYS_sigaltstack, NULL, &guest_main.gu_alternate);
	guest_main.gu_lwp = guest_lwp();
	guest_lwp()->gl_guest = &guest_main;
	guest_lwp()->gl_mask = guest_main.gu_mask;
	sched_idles = idle;
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
	return load_relaxed(&gu->gu_pending) & ~gu->gu_mask;
}

void signals_deliver(void)
{
	struct guest *gu = guest_self;
	uint64_t set;

	while ((set = deliverable(gu)) != 0) {
		int signal = __builtin_ctzll(set) + 1;
		long process = RAW(SYS_getpid), lwp = RAW(SYS_gettid);

		__atomic_fetch_and(&gu->gu_pending, ~(UINT64_C(1) << (signal - 1)), __ATOMIC_ACQ_REL);
		RAW(SYS_tgkill, process, lwp, signal);
	}
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

bool guest_wait_begin(park_ticket ticket)
{
	struct guest *gu = guest_self;

	lock_acquire(&gu->gu_lock);
	gu->gu_ticket = ticket;
	lock_release(&gu->gu_lock);
	return !deliverable(gu);
}

void guest_wait_end(void)
{
	struct guest *gu = guest_self;

	lock_acquire(&gu->gu_lock);
	gu->gu_ticket = 0;
	lock_release(&gu->gu_lock);
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

/* GU is to get SIGNAL. */
static void send(struct guest *gu, int signal)
{
	__atomic_fetch_or(&gu->gu_pending, UINT64_C(1) << (signal - 1), __ATOMIC_ACQ_REL);
	if (gu == guest_self)
		return;
	lock_acquire(&gu->gu_lock);
	if (deliverable(gu)) {
		if (gu->gu_ticket)
			park_unpark(gu->gu_ticket);
		/* One that is replied has a waiter that is on its way; the lock keeps its memory. */
		if (gu->gu_message && message_state(gu->gu_message) == MESSAGE_SENT)
			ell_msg_revoke(gu->gu_message);
	}
	lock_release(&gu->gu_lock);
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
		send(gu, (int)signal);
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

int64_t signals_mask(struct entry_regs *g)
{
	struct guest *gu = guest_self;
	const uint64_t *wanted = (const uint64_t *)g->rsi;
	uint64_t mask = wanted && g->r10 == SET_SIZE ? *wanted : 0;
	int64_t error;

	if (g->rdi != SIG_UNBLOCK)
		mask &= ~TRAP;
	if (gu->gu_thread)
		signals_settle();
	error = RAW(SYS_rt_sigprocmask, g->rdi, wanted ? &mask : NULL, g->rdx, g->r10);
	if (error || (!g->rsi && gu->gu_thread))
		return error;
	mask = get_mask();
	store_relaxed(&gu->gu_mask, mask);
	guest_lwp()->gl_mask = mask;
	return 0;
}

int64_t signals_action(struct entry_regs *g)
{
	struct action action;

	if (!g->rsi)
		return RAW(SYS_rt_sigaction, g->rdi, g->rsi, g->rdx, g->r10);
	if (g->rdi == SIGSYS)
		return refuse("a handler for SIGSYS");
	action = *(const struct action *)g->rsi;
	action.mask &= ~TRAP;
	return RAW(SYS_rt_sigaction, g->rdi, &action, g->rdx, g->r10);
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
