/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu.h - x86-64: the LWP register is %gs, the thread pointer %fs */
#ifndef ARCH_X86_64_CPU_H
#define ARCH_X86_64_CPU_H

#include <stdbool.h>
#include <stdint.h>

struct lwp;
struct thread;

/* May user code read and write the bases itself (FSGSBASE)? Set by arch_probe(). */
extern bool arch_fsgsbase;

/* The system call instead. */
struct lwp *arch_lwp_slow(void);
uintptr_t arch_tls_slow(void);
void arch_tls_set_slow(uintptr_t tls);

static inline void arch_pause(void)
{
	__builtin_ia32_pause();
}

/*
 * These are volatile because the answer changes with every switch of threads, which the compiler cannot see.
 */
static inline struct lwp *arch_lwp(void)
{
	struct lwp *lw;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(lw));
	return lw;
}

static inline struct thread *arch_thread(void)
{
	struct thread *th;

	__asm__ volatile("movq %%gs:8, %0" : "=r"(th));
	return th;
}

static inline struct lwp *arch_lwp_or_null(void)
{
	struct lwp *lw;

	if (__builtin_expect(!arch_fsgsbase, 0))
		return arch_lwp_slow();
	__asm__ volatile("rdgsbase %0" : "=r"(lw));
	return lw;
}

void arch_lwp_set(struct lwp *lw);

static inline uintptr_t arch_tls(void)
{
	uintptr_t tls;

	if (__builtin_expect(!arch_fsgsbase, 0))
		return arch_tls_slow();
	__asm__ volatile("rdfsbase %0" : "=r"(tls));
	return tls;
}

static inline void arch_tls_set(uintptr_t tls)
{
	if (__builtin_expect(!arch_fsgsbase, 0))
		arch_tls_set_slow(tls);
	else
		__asm__ volatile("wrfsbase %0" : : "r"(tls) : "memory");
}

#endif
