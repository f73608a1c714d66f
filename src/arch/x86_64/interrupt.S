/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interrupt.S - x86-64: the way back from a function that was called in the middle of another one
 *
 * arch_interrupt_return is where arch_interrupted() returns to, with rsp at the copied context. Depth becomes 0, and if
 * something is due then, the function is called again; if not, rt_sigreturn restores all. A signal that comes between the
 * first instruction and the last finds depth 0 or 1, and the program counter here: its handler sets cr_due, and begins
 * here again, for nothing has been used up (arch_interrupt_again()).
 *
 * To unwinders this is the frame of a signal: each register stands in the context.
 */
#define AT(reg, offset) .cfi_escape 0x10, reg, 3, 0x77, (offset) & 0x7f | 0x80, (offset) >> 7

	.text
	.globl arch_interrupt_return
	.hidden arch_interrupt_return
	.globl arch_interrupt_return_end
	.hidden arch_interrupt_return_end
	.type arch_interrupt_return, @function
	.p2align 4
	.cfi_startproc
	.cfi_signal_frame
	/* The caller's stack pointer: *(rsp + 160). */
	.cfi_escape 0x0f, 4, 0x77, 0xa0, 0x01, 0x06
	AT(8, 40)
	AT(9, 48)
	AT(10, 56)
	AT(11, 64)
	AT(12, 72)
	AT(13, 80)
	AT(14, 88)
	AT(15, 96)
	AT(5, 104)
	AT(4, 112)
	AT(6, 120)
	AT(3, 128)
	AT(1, 136)
	AT(0, 144)
	AT(2, 152)
	AT(7, 160)
	AT(16, 168)
	nop
arch_interrupt_return:
	movq ell_critical_self@gottpoff(%rip), %rcx
	movl $0, %fs:(%rcx)
	cmpl $0, %fs:4(%rcx)
	jne 1f
	movl $15, %eax
	syscall
arch_interrupt_return_end:
	ud2
1:	movl $1, %fs:(%rcx)
	leaq arch_interrupt_return(%rip), %rax
	pushq %rax
	.cfi_endproc
	.size arch_interrupt_return, .-arch_interrupt_return

/* rsp: the frame. */
	.globl arch_interrupt_enter
	.hidden arch_interrupt_enter
	.type arch_interrupt_enter, @function
arch_interrupt_enter:
	.cfi_startproc
	movq %rsp, %rdi
	jmpq *arch_interrupted(%rip)
	.cfi_endproc
	.size arch_interrupt_enter, .-arch_interrupt_enter

	.section .note.GNU-stack, "", @progbits
