/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch.h - what the library needs from a CPU: the contract for porting it
 *
 * src/arch/<cpu>/ holds the same set of files for each CPU:
 *
 *	cpu.h		arch_pause() and the inline halves of what is declared here
 *	switch.S	arch_switch() and the first frame of a thread, with CFI
 *	context.c	arch_context_make() and _inherit(), and the discovery of what the CPU can do
 *	interrupt.S	the way back from a function that was called in the middle of another one
 *	interrupt.c	the way there
 *	cancel.S	arch_syscall_cancellable()
 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include <stdbool.h>
#include <stdint.h>

struct lwp;
struct thread;

/* A context that does not run: its callee-saved registers lie on its stack. Known to switch.S. */
struct arch_context {
	void *cx_sp;
	void *cx_pc;
};

/*
 * Makes CX a context that calls ENTRY(CARRY) on the stack that ends at TOP, which must be aligned to 16 bytes. ENTRY
 * never returns. A backtrace ends there.
 */
void arch_context_make(struct arch_context *cx, void *top, void (*entry)(void *carry));

/* CX, made and not run yet, is to begin with the caller's floating-point environment, as POSIX's threads do. */
void arch_context_inherit(struct arch_context *cx);

/* Learns what the CPU and the kernel offer. Once, before anything else here. */
void arch_probe(void);

/* Names of what arch_probe() found, for people. */
const char *arch_describe(void);

/*
 * CONTEXT, the third argument of a signal handler, will go on with arch_interrupted(FRAME) on the stack that it was on
 * (or, if TOP is not NULL, on the one that ends there), and afterwards where it was: the frame holds a copy of CONTEXT
 * and of the siginfo_t INFO (may be NULL), shaped as the kernel's own. Between the return of arch_interrupted() and the
 * end, the calling thread's cr_depth becomes 0. It may be another LWP that gets there. Context: S.
 */
void arch_interrupt(void *context, const void *info, void *top);

/*
 * CONTEXT is past the end of arch_interrupted(), on its way back: true, and arch_interrupted() will be called once
 * more. Context: S.
 */
bool arch_interrupt_again(void *context);

/* Set once, at the start. Called at depth 1. */
extern void (*arch_interrupted)(void *frame);

/* What is in a frame; INFO has si_signo 0 if there was none. */
void *arch_frame_context(void *frame);
void *arch_frame_info(void *frame);

/* Calls FN(ARG) on the stack that ends at TOP. Context: T. */
void arch_call_on(void *top, void (*fn)(void *arg), void *arg);

/* Where CONTEXT is. */
uintptr_t arch_context_pc(const void *context);
uintptr_t arch_context_sp(const void *context);

/*
 * The system call NR: what it returned, or -errno as the kernel has it. It does not begin, or ends with -EINTR, once
 * *ENDED is not 0 and the caller has got arch_cancel_install()'s signal after that; a call that is over meanwhile keeps
 * its result. The handler may interrupt anything else, where it does nothing. Context: any.
 */
int64_t arch_syscall_cancellable(const uint32_t *ended, long nr, long a, long b, long c, long d, long e, long f);

/* The handler of that signal (cancel.c): installs it for signal NUMBER. 0 or -errno. Context: any. */
int arch_cancel_install(int number);

#include "cpu.h"

/*
 * cpu.h provides, beside arch_pause():
 *
 *	void *arch_switch(struct arch_context *from, struct arch_context *to, void *carry)
 *
 *		Saves the running context in FROM and goes on with TO, where the call of arch_switch() that saved it
 *		returns CARRY. Callee-saved registers and the floating-point control words go with the context;
 *		the thread pointer (TLS) does not.
 *
 *	struct lwp *arch_lwp(void)		the LWP that runs us; only where there is one
 *	struct thread *arch_thread(void)	its running thread; NULL in scheduler context
 *	struct lwp *arch_lwp_or_null(void)	NULL on a foreign kernel thread
 *	void arch_lwp_set(struct lwp *)		makes the calling kernel thread that LWP, or none (NULL)
 *	uintptr_t arch_tls(void)		the thread pointer
 *	void arch_tls_set(uintptr_t)		changes it
 *	uintptr_t arch_lwp_offset(void)		from the thread pointer to a word of the CPU's part: who gives
 *						first values to a block's variables leaves it alone
 *
 * A struct lwp begins with a pointer to itself and the pointer to its running thread (sched/lwp.h asserts it).
 */

#endif
