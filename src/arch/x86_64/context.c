/* SPDX-License-Identifier: BSD-2-Clause */
/* context.c - x86-64: the first frame of a context, and the two segment bases */
#include <asm/prctl.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/panic.h"

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE (1 << 1)
#endif

_Static_assert(offsetof(struct arch_context, cx_sp) == 0, "switch.S stores the stack pointer at 0");
_Static_assert(offsetof(struct arch_context, cx_pc) == 8, "switch.S stores the return address at 8");

/* What switch.S finds on the stack of a context that does not run. */
struct frame {
	uint32_t mxcsr;
	uint16_t x87_control;
	uint16_t unused;
	uint64_t r15, r14, r13, r12, rbx, rbp;
	char red_zone[128];
};

enum { MXCSR_DEFAULT = 0x1f80, X87_DEFAULT = 0x37f, X87_EXCEPTIONS = 0x3f };

bool arch_fsgsbase;

/* See cpu.h. Named by no C code but this: its users know only the offset. */
__thread uintptr_t arch_lwp_word __attribute__((used, tls_model("initial-exec")));

/* Where a thread begins in there: behind the nop. */
enum { THREAD_FIRST = 1 };

extern const char arch_thread_start[];

void arch_context_make(struct arch_context *cx, void *top, void (*entry)(void *carry))
{
	struct frame *frame = (struct frame *)top - 1;

	ASSERT(((uintptr_t)top & 15) == 0);
	/* Nobody reads the red zone, and to clear it would be a tenth of a thread. */
	frame->mxcsr = MXCSR_DEFAULT;
	frame->x87_control = X87_DEFAULT;
	frame->r15 = frame->r14 = frame->r13 = frame->r12 = frame->rbp = 0;
	frame->rbx = (uint64_t)(uintptr_t)entry;
	cx->cx_sp = frame;
	cx->cx_pc = (void *)(arch_thread_start + THREAD_FIRST);
}

void arch_context_inherit(struct arch_context *cx)
{
	struct frame *frame = cx->cx_sp;

	uint16_t x87_status;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1\n\tfnstsw %2"
			 : "=m"(frame->mxcsr), "=m"(frame->x87_control), "=m"(x87_status));
	/* Who asks for exceptions asks both units. */
	frame->mxcsr |= x87_status & X87_EXCEPTIONS;
}

static uintptr_t base_get(int which)
{
	uintptr_t base = 0;

	if (syscall(SYS_arch_prctl, which, &base) != 0)
		panic("arch_prctl(0x%x) failed", which);
	return base;
}

void arch_probe(void)
{
	arch_fsgsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
	if (base_get(ARCH_GET_GS) != 0)
		panic("the GS base is in use, perhaps by another copy of the library in this process");
}

const char *arch_describe(void)
{
	return arch_fsgsbase ? "x86-64, segment bases written by instruction" : "x86-64, segment bases by arch_prctl";
}

static void base_set(int which, uintptr_t base)
{
	if (syscall(SYS_arch_prctl, which, base) != 0)
		panic("arch_prctl(0x%x, %#lx) failed", which, (unsigned long)base);
}

void arch_lwp_set(struct lwp *lw)
{
	if (arch_fsgsbase)
		__asm__ volatile("wrgsbase %0" : : "r"(lw) : "memory");
	else
		base_set(ARCH_SET_GS, (uintptr_t)lw);
	*(uintptr_t *)(arch_tls() + arch_lwp_offset()) = lw != NULL;
}

uintptr_t arch_tls_slow(void)
{
	return base_get(ARCH_GET_FS);
}

void arch_tls_set_slow(uintptr_t tls)
{
	base_set(ARCH_SET_FS, tls);
}
