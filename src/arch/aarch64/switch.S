/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switch.S - aarch64: leave one context, go on with another
 *
 * Neither a call nor a return leads here or away: arch_switch() in cpu.h branches in, with the address to come back to
 * in x3, and the end branches to that of the other context. A `ret` would be predicted from the callers of the context
 * that is left, and a `bl` without `ret` would spoil the prediction of the next `ret` in C. Two threads that leave at
 * the same depth of the same functions find it in order.
 *
 * Below the caller's frame lie 96 bytes: x19 to x29, and FPCR, which holds the rounding mode. Of v8 to v15 a function
 * has to keep the lower halves, d8 to d15; but the function that arch_switch() is part of may use them whole, so it is
 * told that they are lost, and keeps d8 to d15 for its caller itself.
 *
 * Writing FPCR makes many CPUs wait for all that is under way, so it is written only when it differs, which is rare.
 *
 * Not kept: ZA, the matrix of SME. A thread that uses it must turn it off before it waits.
 */
	.text
	.globl arch_switch_body
	.hidden arch_switch_body
	.type arch_switch_body, %function
	.p2align 6
arch_switch_body:			/* from: x0, to: x1, carry: x2, back to: x3 */
	.cfi_startproc
	.cfi_register x30, x3
	sub	sp, sp, #96
	.cfi_def_cfa_offset 96
	stp	x19, x20, [sp]
	.cfi_rel_offset x19, 0
	.cfi_rel_offset x20, 8
	stp	x21, x22, [sp, #16]
	.cfi_rel_offset x21, 16
	.cfi_rel_offset x22, 24
	stp	x23, x24, [sp, #32]
	.cfi_rel_offset x23, 32
	.cfi_rel_offset x24, 40
	stp	x25, x26, [sp, #48]
	.cfi_rel_offset x25, 48
	.cfi_rel_offset x26, 56
	stp	x27, x28, [sp, #64]
	.cfi_rel_offset x27, 64
	.cfi_rel_offset x28, 72
	mrs	x4, fpcr
	stp	x29, x4, [sp, #80]
	.cfi_rel_offset x29, 80
	mov	x5, sp
	stp	x5, x3, [x0]

	/*
	 * From the second instruction on the frame is the other context's: laid out alike, and its return address is in
	 * x17.
	 */
	ldp	x5, x17, [x1]
	mov	sp, x5
	.cfi_register x30, x17
	ldp	x29, x5, [sp, #80]
	.cfi_restore x29
	cmp	x4, x5
	b.eq	1f
	msr	fpcr, x5
1:
	ldp	x27, x28, [sp, #64]
	.cfi_restore x27
	.cfi_restore x28
	ldp	x25, x26, [sp, #48]
	.cfi_restore x25
	.cfi_restore x26
	ldp	x23, x24, [sp, #32]
	.cfi_restore x23
	.cfi_restore x24
	ldp	x21, x22, [sp, #16]
	.cfi_restore x21
	.cfi_restore x22
	ldp	x19, x20, [sp]
	.cfi_restore x19
	.cfi_restore x20
	add	sp, sp, #96
	.cfi_def_cfa_offset 0
	br	x17
	.cfi_endproc
	.size arch_switch_body, .-arch_switch_body

/*
 * The outermost frame of a thread: arch_context_make() left the entry function in x19. There is no caller, and the CFI
 * says so, for unwinders to stop here. A thread begins behind the nop: they take what precedes a return address for the
 * call, and to them its address is one as long as the thread has not run.
 */
	.globl arch_thread_start
	.hidden arch_thread_start
	.type arch_thread_start, %function
	.p2align 4
arch_thread_start:
	.cfi_startproc
	.cfi_undefined x30
	nop
	hint	#36				/* bti j */
	mov	x0, x2
	blr	x19
	brk	#1
	.cfi_endproc
	.size arch_thread_start, .-arch_thread_start

#ifdef __ARM_FEATURE_BTI_DEFAULT
/* GNU_PROPERTY_AARCH64_FEATURE_1_BTI: the linker wants to hear from each object that its targets are marked. */
	.section .note.gnu.property, "a"
	.p2align 3
	.word 4, 16, 5
	.asciz "GNU"
	.word 0xc0000000, 4, 1, 0
#endif

	.section .note.GNU-stack, "", %progbits
