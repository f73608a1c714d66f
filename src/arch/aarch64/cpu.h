/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.h - aarch64: the LWP register is a word of thread-local storage
 *
 * Purpose: user code has one register that neither the compiler nor anybody else takes, and that is the thread pointer,
 * tpidr_el0. So the pointer to the LWP is a thread-local variable, arch_lwp_word, and an LWP that goes from thread to
 * thread, each with TLS of its own, carries it along.
 *
 * What holds: the word in the block that tpidr_el0 points to says which LWP runs us, at each instruction.
 *
 *  1. arch_lwp_set() writes it into the current block.
 *  2. arch_tls_set() writes it into the new block, and then changes tpidr_el0. A signal handler that comes in between
 *     finds the old block, and one that comes later the new one; both say the same.
 *  3. Whoever gives first values to the variables of the current block leaves the word alone (mem/tls.c).
 *  4. The block of a thread that does not run holds the LWP of before. Nobody looks there.
 *  5. A kernel thread that is no LWP has NULL there: the first value of the variable. It inherits nothing.
 *
 * The word lies in static TLS (model initial-exec), at one distance from the thread pointer in all blocks of a process,
 * and that distance is all that the compiler may remember. What it must not remember is the thread pointer, or the
 * address of the word: both are another's after a switch. Therefore no C code names the variable; the instructions that
 * read it are volatile and begin with tpidr_el0.
 *
 * Two instructions read the thread pointer and then the word, and arch_thread() a third the running thread. Nothing
 * comes in between: a thread changes its LWP only where it waits, in arch_switch(), and a signal handler returns to the
 * LWP that it has interrupted. Whoever adds preemption has to keep it out of these three.
 *
 * Rejected: the word behind the dtv pointer at tp + 8, which glibc does not use, because the ABI reserves it for the C
 * library; x18, because it is the platform's, and code that is compiled without -ffixed-x18 uses it; tpidr2_el0,
 * because it is part of SME.
 *
 * Not seen: another copy of the library in the same process has a word of its own, and takes our LWPs for foreign
 * kernel threads.
 */
#ifndef ARCH_AARCH64_CPU_H
#define ARCH_AARCH64_CPU_H

#include <stdint.h>

struct lwp;
struct thread;

/* What a function call may clobber, in C, and v8 to v15: see switch.S. */
#ifdef __ARM_FEATURE_SVE
#define ARCH_CLOBBERS_MORE                                                                                             \
	, "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15"
#else
#define ARCH_CLOBBERS_MORE
#endif

/* A jump, not a call: see switch.S. What it comes back to is a landing pad for indirect branches, `bti j`. */
static inline __attribute__((always_inline)) void *arch_switch(struct arch_context *from, struct arch_context *to,
							       void *carry)
{
	register struct arch_context *x0 __asm__("x0") = from;
	register struct arch_context *x1 __asm__("x1") = to;
	register void *x2 __asm__("x2") = carry;

	__asm__ volatile("adr	x3, 1f\n\t"
			 "b	arch_switch_body\n"
			 "1:	hint	#36"
			 : "+r"(x0), "+r"(x1), "+r"(x2)
			 :
			 : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
			   "x17", "x18", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10",
			   "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",
			   "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31" ARCH_CLOBBERS_MORE, "memory", "cc");
	return x2;
}

/* Not `yield`, which most CPUs take for a nop. */
static inline void arch_pause(void)
{
	__asm__ volatile("isb");
}

/* From the thread pointer to the word. Not volatile: it never changes. The linker knows this pair of instructions. */
static inline uintptr_t arch_lwp_offset(void)
{
	uintptr_t offset;

	__asm__("adrp	%0, :gottprel:arch_lwp_word\n\t"
		"ldr	%0, [%0, #:gottprel_lo12:arch_lwp_word]"
		: "=r"(offset));
	return offset;
}

static inline struct lwp *arch_lwp_or_null(void)
{
	struct lwp *lw;

	__asm__ volatile("mrs	%0, tpidr_el0\n\t"
			 "ldr	%0, [%0, %1]"
			 : "=&r"(lw)
			 : "r"(arch_lwp_offset()));
	return lw;
}

static inline struct lwp *arch_lwp(void)
{
	return arch_lwp_or_null();
}

static inline struct thread *arch_thread(void)
{
	return ((struct thread **)arch_lwp())[1];
}

void arch_lwp_set(struct lwp *lw);

static inline uintptr_t arch_tls(void)
{
	uintptr_t tls;

	__asm__ volatile("mrs	%0, tpidr_el0" : "=r"(tls));
	return tls;
}

static inline void arch_tls_set(uintptr_t tls)
{
	__asm__ volatile("str	%0, [%1, %2]\n\t"
			 "msr	tpidr_el0, %1"
			 :
			 : "r"(arch_lwp_or_null()), "r"(tls), "r"(arch_lwp_offset())
			 : "memory");
}

#endif
