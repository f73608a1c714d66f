/* SPDX-License-Identifier: BSD-2-Clause */
/* context.c - aarch64: the first frame of a context, and the LWP register */
#include <stddef.h>

#include "arch/arch.h"
#include "base/panic.h"

_Static_assert(offsetof(struct arch_context, cx_sp) == 0, "switch.S stores the stack pointer at 0");
_Static_assert(offsetof(struct arch_context, cx_pc) == 8, "switch.S stores the return address at 8");

/* What switch.S finds on the stack of a context that does not run. */
struct frame {
	uint64_t x19_to_x29[11];
	uint64_t fpcr;
};

_Static_assert(sizeof(struct frame) == 96, "switch.S takes as much off the stack");

/* Round to nearest, no traps: as the kernel starts a process. */
enum { FPCR_DEFAULT = 0 };

/* See cpu.h. Only the instructions there name it, and in static TLS it must lie. */
__thread struct lwp *arch_lwp_word __attribute__((used, tls_model("initial-exec")));

/* Where a thread begins in there: behind the nop. */
enum { THREAD_FIRST = 4 };

extern const char arch_thread_start[];

void arch_context_make(struct arch_context *cx, void *top, void (*entry)(void *carry))
{
	struct frame *frame = (struct frame *)top - 1;

	ASSERT(((uintptr_t)top & 15) == 0);
	/* The frame pointer, x29, is 0: those who walk frame pointers stop there. */
	*frame = (struct frame){.x19_to_x29 = {(uint64_t)(uintptr_t)entry}, .fpcr = FPCR_DEFAULT};
	cx->cx_sp = frame;
	cx->cx_pc = (void *)(arch_thread_start + THREAD_FIRST);
}

void arch_context_inherit(struct arch_context *cx)
{
	struct frame *frame = cx->cx_sp;

	__asm__ volatile("mrs	%0, fpcr" : "=r"(frame->fpcr));
}

/* All that is used here is in each aarch64. */
void arch_probe(void)
{
}

const char *arch_describe(void)
{
	return "aarch64, the LWP register is thread-local";
}

void arch_lwp_set(struct lwp *lw)
{
	__asm__ volatile("str	%0, [%1, %2]" : : "r"(lw), "r"(arch_tls()), "r"(arch_lwp_offset()) : "memory");
}
