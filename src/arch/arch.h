/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch.h - what the library needs from a CPU: the contract for porting it
 *
 * src/arch/<cpu>/ holds the same set of files for each CPU:
 *
 *	cpu.h		arch_pause() and the inline halves of what is declared here
 *	switch.S	arch_switch() and the first frame of a thread, with CFI
 *	context.c	arch_context_make(), and the discovery of what the CPU can do
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

/* Learns what the CPU and the kernel offer. Once, before anything else here. */
void arch_probe(void);

/* Names of what arch_probe() found, for people. */
const char *arch_describe(void);

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
