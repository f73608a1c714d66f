/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interrupt.c - x86-64: call a function in the middle of another one
 *
 * The frame is laid out as the kernel's for a signal, so that rt_sigreturn(2) takes it: a return address, the context,
 * the siginfo, and the floating-point state, which the context points to. Its size is found in the state itself.
 */
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "arch/arch.h"

/* Of the kernel's struct ucontext, which ends after eight bytes of mask. */
enum { CONTEXT_SIZE = offsetof(ucontext_t, uc_sigmask) + 8, RED_ZONE = 128, STATE_ALIGN = 64 };

/* Where the kernel says how large the state is: sw_reserved, in the last bytes of the legacy area. */
enum { LEGACY_SIZE = 512, SW_RESERVED = 464, MAGIC1 = 0x46505853 };

struct frame {
	const void *back;
	char context[CONTEXT_SIZE];
	siginfo_t info;
};

_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]) == 160, "interrupt.S finds the stack pointer there");
_Static_assert(CONTEXT_SIZE == 304, "the kernel's struct ucontext");

void (*arch_interrupted)(void *frame);

extern const char arch_interrupt_return[], arch_interrupt_return_end[];
extern const char arch_interrupt_enter[];

static size_t state_size(const char *state)
{
	uint32_t words[2];

	memcpy(words, state + SW_RESERVED, sizeof(words));
	return words[0] == MAGIC1 && words[1] > LEGACY_SIZE ? words[1] : LEGACY_SIZE;
}

void arch_interrupt(void *context, const void *info, void *top)
{
	ucontext_t *uc = context;
	char *state = (char *)uc->uc_mcontext.fpregs;
	size_t size = state ? state_size(state) : 0;
	char *sp = top ? top : (char *)uc->uc_mcontext.gregs[REG_RSP] - RED_ZONE;
	ucontext_t *copy;
	struct frame *frame;

	sp = (char *)(((uintptr_t)sp - size) & ~(uintptr_t)(STATE_ALIGN - 1));
	/* As at the first instruction of a function: a return address below what is aligned to 16. */
	frame = (struct frame *)(void *)((((uintptr_t)sp - sizeof(*frame)) & ~(uintptr_t)15) - 8);
	frame->back = arch_interrupt_return;
	memcpy(frame->context, uc, CONTEXT_SIZE);
	memcpy(sp, state, size);
	copy = (ucontext_t *)(void *)frame->context;
	copy->uc_mcontext.fpregs = state ? (void *)sp : NULL;
	if (info)
		memcpy(&frame->info, info, sizeof(frame->info));
	else
		frame->info.si_signo = 0;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)arch_interrupt_enter;
	uc->uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)frame;
	/* The direction flag is clear at a call. */
	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)0x400;
}

bool arch_interrupt_again(void *context)
{
	ucontext_t *uc = context;
	uintptr_t pc = arch_context_pc(context);

	if (pc < (uintptr_t)arch_interrupt_return || pc >= (uintptr_t)arch_interrupt_return_end)
		return false;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)arch_interrupt_return;
	return true;
}

void *arch_frame_context(void *frame)
{
	return ((struct frame *)frame)->context;
}

void *arch_frame_info(void *frame)
{
	return &((struct frame *)frame)->info;
}

uintptr_t arch_context_pc(const void *context)
{
	return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

uintptr_t arch_context_sp(const void *context)
{
	return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
}

void arch_call_on(void *top, void (*fn)(void *arg), void *arg)
{
	uintptr_t sp = (uintptr_t)top & ~(uintptr_t)15;
	/* Space that is asked for at run time makes the compiler find its frame by rbp, as unwinders will. */
	volatile char *room = __builtin_alloca(16);

	*room = 0;
	__asm__ volatile("movq %%rsp, %%rbx\n\t"
			 "movq %0, %%rsp\n\t"
			 "call *%1\n\t"
			 "movq %%rbx, %%rsp"
			 : "+r"(sp), "+r"(fn), "+D"(arg)
			 :
			 : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3",
			   "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			   "xmm15", "cc", "memory");
}
