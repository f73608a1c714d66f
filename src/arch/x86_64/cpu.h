/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.h - x86-64: the LWP register is %gs, the thread pointer %fs
 *
 * A kernel thread begins with the %gs of the one that made it. So a pthread that a user thread creates would take
 * itself for the LWP of its creator. What it does not inherit is TLS: a word in each TLS block, arch_lwp_word, says
 * whether the block belongs to the library. It is 0 in the block of a foreign thread, as the first value of any such
 * variable. In the blocks of LWPs and user threads it is set once and never changes, so that a compiler may remember
 * what it likes.
 */
#ifndef ARCH_X86_64_CPU_H
#define ARCH_X86_64_CPU_H

#include <stdbool.h>
#include <stdint.h>

struct lwp;
struct thread;

/* May user code read and write the bases itself (FSGSBASE)? Set by arch_probe(). */
extern bool arch_fsgsbase;

/* The system call instead. */
uintptr_t arch_tls_slow(void);
void arch_tls_set_slow(uintptr_t tls);

/* What a function call may clobber, in C. */
#ifdef __AVX512F__
#define ARCH_CLOBBERS_MORE                                                                                             \
	, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",  \
		"xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define ARCH_CLOBBERS_MORE
#endif

/* A jump, not a call: see switch.S. */
static inline __attribute__((always_inline)) void *arch_switch(struct arch_context *from, struct arch_context *to,
							       void *carry)
{
	__asm__ volatile("leaq 1f(%%rip), %%rcx\n\t"
			 "jmp arch_switch_body\n"
			 "1:"
			 : "+D"(from), "+S"(to), "+a"(carry)
			 :
			 : "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			   "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			   "xmm15" ARCH_CLOBBERS_MORE, "memory", "cc");
	return carry;
}

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

/* From the thread pointer to arch_lwp_word, in every block (model initial-exec). */
static inline uintptr_t arch_lwp_offset(void)
{
	uintptr_t offset;

	__asm__("movq arch_lwp_word@gottpoff(%%rip), %0" : "=r"(offset));
	return offset;
}

/* TLS is a block for LWPs and user threads. */
static inline void arch_tls_adopt(uintptr_t tls)
{
	*(uintptr_t *)(tls + arch_lwp_offset()) = 1;
}

static inline struct lwp *arch_lwp_or_null(void)
{
	uintptr_t ours;

	__asm__ volatile("movq %%fs:(%1), %0" : "=r"(ours) : "r"(arch_lwp_offset()));
	return __builtin_expect(ours != 0, 1) ? arch_lwp() : 0;
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
