/* SPDX-License-Identifier: BSD-2-Clause */
/* hold.h - a call with known values in all callee-saved registers */
#ifndef ARCH_HOLD_H
#define ARCH_HOLD_H

#include <stdint.h>

/* Loads HELD registers from BEFORE, calls FN(ARG), and stores what they hold then in AFTER. */
void hold(const uint64_t *before, uint64_t *after, void (*fn)(void *arg), void *arg);

#if defined(__x86_64__)
enum { HELD = 6 };
#define HOLD_FRAME_POINTER "movq %%rbp, %0"

__asm__(".text\n"
	"hold:\n"
	"	pushq	%rbp\n"
	"	pushq	%rbx\n"
	"	pushq	%r12\n"
	"	pushq	%r13\n"
	"	pushq	%r14\n"
	"	pushq	%r15\n"
	"	pushq	%rsi\n"
	"	movq	0(%rdi), %rbp\n"
	"	movq	8(%rdi), %rbx\n"
	"	movq	16(%rdi), %r12\n"
	"	movq	24(%rdi), %r13\n"
	"	movq	32(%rdi), %r14\n"
	"	movq	40(%rdi), %r15\n"
	"	movq	%rcx, %rdi\n"
	"	call	*%rdx\n"
	"	popq	%rsi\n"
	"	movq	%rbp, 0(%rsi)\n"
	"	movq	%rbx, 8(%rsi)\n"
	"	movq	%r12, 16(%rsi)\n"
	"	movq	%r13, 24(%rsi)\n"
	"	movq	%r14, 32(%rsi)\n"
	"	movq	%r15, 40(%rsi)\n"
	"	popq	%r15\n"
	"	popq	%r14\n"
	"	popq	%r13\n"
	"	popq	%r12\n"
	"	popq	%rbx\n"
	"	popq	%rbp\n"
	"	ret\n");

#elif defined(__aarch64__)
enum { HELD = 19 };
#define HOLD_FRAME_POINTER "mov %0, x29"

__asm__(".text\n"
	"hold:\n"
	"	stp	x29, x30, [sp, #-176]!\n"
	"	stp	x19, x20, [sp, #16]\n"
	"	stp	x21, x22, [sp, #32]\n"
	"	stp	x23, x24, [sp, #48]\n"
	"	stp	x25, x26, [sp, #64]\n"
	"	stp	x27, x28, [sp, #80]\n"
	"	stp	d8, d9, [sp, #96]\n"
	"	stp	d10, d11, [sp, #112]\n"
	"	stp	d12, d13, [sp, #128]\n"
	"	stp	d14, d15, [sp, #144]\n"
	"	str	x1, [sp, #160]\n"
	"	ldp	x29, x19, [x0]\n"
	"	ldp	x20, x21, [x0, #16]\n"
	"	ldp	x22, x23, [x0, #32]\n"
	"	ldp	x24, x25, [x0, #48]\n"
	"	ldp	x26, x27, [x0, #64]\n"
	"	ldr	x28, [x0, #80]\n"
	"	ldp	d8, d9, [x0, #88]\n"
	"	ldp	d10, d11, [x0, #104]\n"
	"	ldp	d12, d13, [x0, #120]\n"
	"	ldp	d14, d15, [x0, #136]\n"
	"	mov	x0, x3\n"
	"	blr	x2\n"
	"	ldr	x1, [sp, #160]\n"
	"	stp	x29, x19, [x1]\n"
	"	stp	x20, x21, [x1, #16]\n"
	"	stp	x22, x23, [x1, #32]\n"
	"	stp	x24, x25, [x1, #48]\n"
	"	stp	x26, x27, [x1, #64]\n"
	"	str	x28, [x1, #80]\n"
	"	stp	d8, d9, [x1, #88]\n"
	"	stp	d10, d11, [x1, #104]\n"
	"	stp	d12, d13, [x1, #120]\n"
	"	stp	d14, d15, [x1, #136]\n"
	"	ldp	d8, d9, [sp, #96]\n"
	"	ldp	d10, d11, [sp, #112]\n"
	"	ldp	d12, d13, [sp, #128]\n"
	"	ldp	d14, d15, [sp, #144]\n"
	"	ldp	x27, x28, [sp, #80]\n"
	"	ldp	x25, x26, [sp, #64]\n"
	"	ldp	x23, x24, [sp, #48]\n"
	"	ldp	x21, x22, [sp, #32]\n"
	"	ldp	x19, x20, [sp, #16]\n"
	"	ldp	x29, x30, [sp], #176\n"
	"	ret\n");
#endif

/* The frame pointer, which hold() cannot tell: FN has one of its own. */
static inline uintptr_t hold_frame_pointer(void)
{
	uintptr_t fp;

	__asm__ volatile(HOLD_FRAME_POINTER : "=r"(fp));
	return fp;
}

#endif
