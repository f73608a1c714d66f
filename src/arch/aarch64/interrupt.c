/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interrupt.c - aarch64: call a function in the middle of another one
 *
 * The frame is laid out as the kernel's for a signal, so that rt_sigreturn(2) takes it: the siginfo, the context, and
 * behind it what did not fit into the context, if anything (SVE): a record in the context says where that is.
 */
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "arch/arch.h"

enum { INFO_SIZE = 128, MORE_MAGIC = 0x45585401 };

struct frame {
	char info[INFO_SIZE];
	ucontext_t context;
};

_Static_assert(offsetof(struct frame, context) == INFO_SIZE, "the kernel's struct rt_sigframe");
_Static_assert(sizeof(siginfo_t) == INFO_SIZE, "the kernel's struct rt_sigframe");

/* A record in the context, and the one that leads to more. */
struct record {
	uint32_t magic;
	uint32_t size;
};

struct extra {
	struct record head;
	uint64_t data;
	uint32_t size;
};

void (*arch_interrupted)(void *frame);

extern const char arch_interrupt_return[], arch_interrupt_return_end[];
extern const char arch_interrupt_enter[];

/* The record of what lies behind UC, or NULL. */
static struct extra *extra_of(ucontext_t *uc)
{
	char *at = (char *)uc->uc_mcontext.__reserved;
	const char *end = at + sizeof(uc->uc_mcontext.__reserved);

	while (at + sizeof(struct record) <= end) {
		struct record *record = (void *)at;

		if (record->magic == MORE_MAGIC)
			return (void *)record;
		if (record->magic == 0 || record->size < sizeof(*record))
			return NULL;
		at += record->size;
	}
	return NULL;
}

void arch_interrupt(void *context, const void *info, void *top)
{
	ucontext_t *uc = context;
	char *from = (char *)uc - INFO_SIZE;
	struct extra *extra = extra_of(uc);
	size_t size = extra ? (size_t)(extra->data + extra->size - (uintptr_t)from) : sizeof(struct frame);
	uintptr_t sp = top ? (uintptr_t)top : (uintptr_t)uc->uc_mcontext.sp;
	char *frame = (char *)((sp - size) & ~(uintptr_t)15);

	memcpy(frame, from, size);
	extra = extra_of(&((struct frame *)(void *)frame)->context);
	if (extra)
		extra->data += (uint64_t)(frame - from);
	if (info)
		memcpy(frame, info, INFO_SIZE);
	else
		((siginfo_t *)(void *)frame)->si_signo = 0;
	uc->uc_mcontext.pc = (uintptr_t)arch_interrupt_enter;
	uc->uc_mcontext.sp = (uintptr_t)frame;
}

bool arch_interrupt_again(void *context)
{
	ucontext_t *uc = context;
	uintptr_t pc = arch_context_pc(context);

	if (pc < (uintptr_t)arch_interrupt_return || pc >= (uintptr_t)arch_interrupt_return_end)
		return false;
	uc->uc_mcontext.pc = (uintptr_t)arch_interrupt_return;
	return true;
}

void *arch_frame_context(void *frame)
{
	return &((struct frame *)frame)->context;
}

void *arch_frame_info(void *frame)
{
	return ((struct frame *)frame)->info;
}

uintptr_t arch_context_pc(const void *context)
{
	return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc;
}

uintptr_t arch_context_sp(const void *context)
{
	return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.sp;
}

void arch_call_on(void *top, void (*fn)(void *arg), void *arg)
{
	register uintptr_t sp __asm__("x9") = (uintptr_t)top & ~(uintptr_t)15;
	register void (*to)(void *arg) __asm__("x10") = fn;
	register void *first __asm__("x0") = arg;

	__asm__ volatile("mov x19, sp\n\t"
			 "mov sp, %0\n\t"
			 "blr %1\n\t"
			 "mov sp, x19"
			 : "+r"(sp), "+r"(to), "+r"(first)
			 :
			 : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x11", "x12", "x13", "x14", "x15", "x16",
			   "x17", "x18", "x19", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9",
			   "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22",
			   "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc", "memory");
}
