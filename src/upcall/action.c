/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * action.c - what is to be done about a signal, and how it comes from the kernel
 *
 * The kernel calls on_signal() for each signal that has a handler, that somebody blocks or waits for, or that is an
 * upcall. Other signals it treats by itself. What the kernel did before is kept: it is the default (the report of a
 * crash, the message of a stack overflow), and comes back when it is due.
 *
 * A fault is the interrupted thread's, and its handler begins where the fault was. It cannot if that is in a guarded
 * stretch, or in scheduler context, or blocked: then the default happens.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/lock.h"
#include "sched/current.h"
#include "sched/handoff.h"
#include "sched/interrupt.h"
#include "sys/sys.h"
#include "thread/life.h"
#include "upcall/signal.h"

/* The library's own begin here: the one of its helpers, if nobody has that yet, and interrupt_signal(). */
#define HELPERS (interrupt_signal() - 1)

static struct {
	struct sigaction action;
	struct sigaction before; /* the kernel's, while CAUGHT */
	ell_upcall upcall;
	ell_thread upcall_thread;
	bool caught;
} table[SIGNALS_MAX + 1];

#define FAULTS                                                                                                         \
	(SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGTRAP) |    \
	 SIGNAL_BIT(SIGSYS))
#define DULL (SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH) | SIGNAL_BIT(SIGCONT))
#define STOPS (SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))

uint64_t signal_word(const sigset_t *set)
{
	uint64_t word;

	memcpy(&word, set, sizeof(word));
	return word;
}

void signal_set(sigset_t *set, uint64_t word)
{
	sigemptyset(set);
	memcpy(set, &word, sizeof(word));
}

static bool is_usable(int number)
{
	return number >= 1 && number <= SIGNALS_MAX && number != SIGKILL && number != SIGSTOP && number != SIGABRT &&
	       number != HANDOFF_SIGNAL && (number < 32 || number >= SIGRTMIN) && number < HELPERS;
}

uint64_t signal_usable(uint64_t set)
{
	static const int not [] = {SIGKILL, SIGSTOP, SIGABRT, HANDOFF_SIGNAL, 32, 33};

	for (size_t i = 0; i < ARRAY_SIZE(not ); i++)
		set &= ~SIGNAL_BIT(not [i]);
	return set & (SIGNAL_BIT(HELPERS) - 1);
}

static bool is_function(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static bool is_ignored(int number)
{
	const struct sigaction *action = &table[number].action;

	return !is_function(action) && (action->sa_handler == SIG_IGN || (DULL & SIGNAL_BIT(number)));
}

struct sigaction signal_action_locked(int number)
{
	struct sigaction action = table[number].action;

	if (is_function(&action) && (action.sa_flags & SA_RESETHAND)) {
		table[number].action.sa_handler = SIG_DFL;
		table[number].action.sa_flags &= ~(SA_SIGINFO | SA_RESETHAND);
	}
	return action;
}

ell_upcall signal_upcall_locked(int number, ell_thread *thread)
{
	*thread = table[number].upcall_thread;
	return table[number].upcall;
}

/* Whoever would get NUMBER if this room were not. Context: S T. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	const struct sigaction *before = &table[number].before;

	if (is_function(before) && context) {
		if (before->sa_flags & SA_SIGINFO)
			before->sa_sigaction(number, info, context);
		else
			before->sa_handler(number);
		return;
	}
	/* The instruction is repeated, and faults for good. */
	sys.sigaction(number, before, NULL);
}

void signal_by_default(int number)
{
	const struct sigaction *before = &table[number].before;
	sigset_t set;

	if ((DULL & SIGNAL_BIT(number)) || (!is_function(before) && before->sa_handler == SIG_IGN))
		return;
	if (STOPS & SIGNAL_BIT(number)) {
		sys.raise(SIGSTOP);
		return;
	}
	pass_on(number, NULL, NULL);
	signal_set(&set, SIGNAL_BIT(number));
	sys.pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	sys.raise(number);
}

/* Does TH, which was at SP, block NUMBER? At depth 1. */
static bool is_blocked(struct thread *th, int number, uintptr_t sp)
{
	struct signal_thread *st;
	bool blocked;

	lock_acquire(&signals_lock);
	st = signal_thread_of(th, false);
	if (st)
		signals_forget_left_locked(st, sp);
	blocked = st && (st->st_mask & SIGNAL_BIT(number));
	lock_release(&signals_lock);
	return blocked;
}

/* The end of the alternate stack of TH, if its handler of ACTION is to begin there, and it was at SP; or NULL. */
static char *top_for(struct thread *th, const struct sigaction *action, uintptr_t sp)
{
	const struct signal_thread *st = signal_thread_of(th, false);

	if (!st || !(action->sa_flags & SA_ONSTACK) || sp - (uintptr_t)st->st_stack.ss_sp < st->st_stack.ss_size ||
	    !st->st_stack.ss_size)
		return NULL;
	return (char *)st->st_stack.ss_sp + st->st_stack.ss_size;
}

/* The thread that has faulted at CONTEXT calls its handler: true. */
static bool fault(struct thread *th, int number, const siginfo_t *info, void *context)
{
	const struct sigaction *action = &table[number].action;
	uintptr_t sp = arch_context_sp(context);
	char *top = top_for(th, action, sp);

	if (!is_function(action) || !interrupt_is_possible(context))
		return false;
	if (!top && number == SIGSEGV && overflow_is(th, info->si_addr))
		return false;
	ell_critical_self.cr_depth = 1;
	if (is_blocked(th, number, sp)) {
		ell_critical_self.cr_depth = 0;
		return false;
	}
	arch_interrupt(context, info, top);
	return true;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	struct thread *th = arch_lwp_or_null() ? arch_thread() : NULL;
	int error = errno;

	if (info->si_code > 0 && (FAULTS & SIGNAL_BIT(number))) {
		if (!th || !fault(th, number, info, context))
			pass_on(number, info, context);
	} else if (th && info->si_code == SI_TKILL && info->si_pid == sys.getpid()) {
		/* raise(3): handled before that returns. */
		signal_arrive(info, th->th_id);
		store_seq_cst(&interrupt_any, 1);
		interrupt_from_handler(context, NULL);
	} else {
		signal_arrive(info, 0);
		interrupt_anybody();
	}
	errno = error;
}

/* With the lock. False: somebody else has it. */
static bool catch_locked(int number)
{
	struct sigaction ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	struct sigaction before;

	if (table[number].caught)
		return true;
	if (sys.sigaction(number, NULL, &before) != 0)
		return false;
	/* The library's helpers have one of these. */
	if (number >= SIGRTMIN && is_function(&before))
		return false;
	sigfillset(&ours.sa_mask);
	for (uint64_t set = FAULTS; set; set &= set - 1)
		sigdelset(&ours.sa_mask, __builtin_ctzll(set) + 1);
	ours.sa_flags |= table[number].action.sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
	if (before.sa_sigaction != on_signal)
		table[number].before = before;
	table[number].caught = sys.sigaction(number, &ours, NULL) == 0;
	return table[number].caught;
}

void signals_catch(uint64_t set)
{
	signals_use();
	lock_acquire(&signals_lock);
	for (set = signal_usable(set); set; set &= set - 1)
		catch_locked(__builtin_ctzll(set) + 1);
	lock_release(&signals_lock);
}

EXPORT int ell_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	bool done = true;

	if (!is_usable(number)) {
		errno = EINVAL;
		return -1;
	}
	signals_use();
	lock_acquire(&signals_lock);
	if (old)
		*old = table[number].action;
	if (action) {
		table[number].action = *action;
		if (action->sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT))
			table[number].caught = false;
		done = catch_locked(number);
		if (is_ignored(number))
			signals_discard_locked(number);
	}
	lock_release(&signals_lock);
	if (done)
		return 0;
	errno = EINVAL;
	return -1;
}

EXPORT int ell_upcall_on_signal(ell_upcall upcall, ell_thread thread, int number)
{
	bool done;

	if (!is_usable(number))
		return EINVAL;
	signals_use();
	lock_acquire(&signals_lock);
	done = catch_locked(number);
	if (done) {
		table[number].upcall = upcall;
		table[number].upcall_thread = thread;
	}
	lock_release(&signals_lock);
	return done ? 0 : EINVAL;
}
