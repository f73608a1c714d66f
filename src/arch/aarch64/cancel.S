/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cancel.S - aarch64: a system call that another kernel thread can end
 *
 * Between the look at the word and the `svc` a signal would come too early to interrupt and too late to be seen. So the
 * two are a range of instructions that the handler knows: what it interrupts there goes on behind it, as if it had been
 * interrupted in the kernel. A call that the kernel has begun and would begin again stands on its `svc`, which is in
 * the range; one that has ended stands behind it, and its result counts.
 */
	.text
	.globl arch_syscall_cancellable
	.hidden arch_syscall_cancellable
	.type arch_syscall_cancellable, %function
	.p2align 4
arch_syscall_cancellable:		/* word: x0, number: x1, arguments: x2 to x7 */
	.cfi_startproc
	mov	x9, x0
	mov	x8, x1
	mov	x0, x2
	mov	x1, x3
	mov	x2, x4
	mov	x3, x5
	mov	x4, x6
	mov	x5, x7
	.globl arch_cancel_begin
	.hidden arch_cancel_begin
arch_cancel_begin:
	ldr	w10, [x9]
	cbnz	w10, arch_cancel_out
	svc	#0
	.globl arch_cancel_end
	.hidden arch_cancel_end
arch_cancel_end:
	ret
	.globl arch_cancel_out
	.hidden arch_cancel_out
arch_cancel_out:
	mov	x0, #-4			/* -EINTR */
	ret
	.cfi_endproc
	.size arch_syscall_cancellable, .-arch_syscall_cancellable

#ifdef __ARM_FEATURE_BTI_DEFAULT
/* GNU_PROPERTY_AARCH64_FEATURE_1_BTI, as in switch.S. Nothing here is the target of an indirect jump. */
	.section .note.gnu.property, "a"
	.p2align 3
	.word 4, 16, 5
	.asciz "GNU"
	.word 0xc0000000, 4, 1, 0
#endif

	.section .note.GNU-stack, "", %progbits
