/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cancel.S - x86-64: a system call that another kernel thread can end
 *
 * Between the look at the word and the `syscall` a signal would come too early to interrupt and too late to be seen. So
 * the two are a range of instructions that the handler knows: what it interrupts there goes on behind it, as if it had
 * been interrupted in the kernel. A call that the kernel has begun and would begin again stands on its `syscall`, which
 * is in the range; one that has ended stands behind it, and its result counts.
 */
	.text
	.globl arch_syscall_cancellable
	.hidden arch_syscall_cancellable
	.type arch_syscall_cancellable, @function
	.p2align 4
arch_syscall_cancellable:	/* word: rdi, number: rsi, arguments: rdx rcx r8 r9 and two on the stack */
	.cfi_startproc
	movq %rdi, %r11
	movq %rsi, %rax
	movq %rdx, %rdi
	movq %rcx, %rsi
	movq %r8, %rdx
	movq %r9, %r10
	movq 8(%rsp), %r8
	movq 16(%rsp), %r9
	.globl arch_cancel_begin
	.hidden arch_cancel_begin
arch_cancel_begin:
	cmpl $0, (%r11)
	jne arch_cancel_out
	syscall
	.globl arch_cancel_end
	.hidden arch_cancel_end
arch_cancel_end:
	ret
	.globl arch_cancel_out
	.hidden arch_cancel_out
arch_cancel_out:
	movq $-4, %rax			/* -EINTR */
	ret
	.cfi_endproc
	.size arch_syscall_cancellable, .-arch_syscall_cancellable

/* Where the handler returns to. Debuggers and unwinders know a signal's frame by these very instructions. */
	.globl arch_cancel_return
	.hidden arch_cancel_return
	.type arch_cancel_return, @function
	.p2align 4
	nop
arch_cancel_return:
	movq $15, %rax			/* rt_sigreturn */
	syscall
	.size arch_cancel_return, .-arch_cancel_return

	.section .note.GNU-stack, "", @progbits
