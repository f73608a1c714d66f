/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interrupt.S - aarch64: the way back from a function that was called in the middle of another one
 *
 * arch_interrupted() returns to the second half of arch_interrupt_enter, with sp at the frame. Depth becomes 0, and if
 * something is due then, the function is called again; if not, rt_sigreturn restores all. A signal that comes between the
 * first instruction and the last of arch_interrupt_return finds depth 0 or 1, and the program counter here: its handler
 * sets cr_due, and begins here again, for nothing has been used up (arch_interrupt_again()).
 *
 * A backtrace ends here: the CFI says that there is no caller.
 */
	.text
	.globl arch_interrupt_enter
	.hidden arch_interrupt_enter
	.type arch_interrupt_enter, %function
	.globl arch_interrupt_return
	.hidden arch_interrupt_return
	.globl arch_interrupt_return_end
	.hidden arch_interrupt_return_end
	.p2align 4
arch_interrupt_enter:			/* sp: the frame */
	.cfi_startproc
	.cfi_signal_frame
	.cfi_undefined x30
	hint	#36				/* bti j */
	mov	x0, sp
	adrp	x1, arch_interrupted
	ldr	x1, [x1, #:lo12:arch_interrupted]
	blr	x1
arch_interrupt_return:
	mrs	x0, tpidr_el0
	adrp	x1, :gottprel:ell_critical_self
	ldr	x1, [x1, #:gottprel_lo12:ell_critical_self]
	add	x0, x0, x1
	str	wzr, [x0]
	ldr	w1, [x0, #4]
	cbnz	w1, 1f
	mov	x8, #139			/* rt_sigreturn */
	svc	#0
arch_interrupt_return_end:
	brk	#1
1:	mov	w1, #1
	str	w1, [x0]
	b	arch_interrupt_enter
	.cfi_endproc
	.size arch_interrupt_enter, .-arch_interrupt_enter

#ifdef __ARM_FEATURE_BTI_DEFAULT
	.section .note.gnu.property, "a"
	.p2align 3
	.word 4, 16, 5
	.asciz "GNU"
	.word 0xc0000000, 4, 1, 0
#endif

	.section .note.GNU-stack, "", %progbits
