/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switch.S - x86-64: leave one context, go on with another
 *
 * Neither `call` nor `ret` leads here or away: arch_switch() in cpu.h jumps in, with the address to come back to in rcx, and
 * the end jumps to that of the other context. A `ret` would be mispredicted each time, because the return-stack buffer of the
 * CPU holds the callers of the context that is left; and a `call` without `ret` would leave an entry there that spoils the
 * prediction of the next `ret` in C. Two threads that leave at the same depth of the same functions find it in order.
 *
 * Below the caller's red zone lie, from high to low: rbp rbx r12 r13 r14 r15, and 8 bytes with the x87 control word and
 * mxcsr, which the System V ABI counts among the callee-saved registers too.
 */
	.text
	.globl arch_switch_body
	.hidden arch_switch_body
	.type arch_switch_body, @function
	.p2align 6
arch_switch_body:			/* from: rdi, to: rsi, carry: rax, back to: rcx */
	.cfi_startproc
	.cfi_def_cfa %rsp, 0
	.cfi_register %rip, %rcx
	leaq -128(%rsp), %rsp
	.cfi_adjust_cfa_offset 128
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq %r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq %r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq %r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq %r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr (%rsp)
	fnstcw 4(%rsp)
	movq %rcx, 8(%rdi)
	movq %rsp, (%rdi)

	/*
	 * From here the frame is the other context's: laid out alike, and its return address is found at 8(%rsi).
	 */
	movq (%rsi), %rsp
	.cfi_escape 0x10, 0x10, 0x02, 0x74, 0x08	/* DW_CFA_expression rip: DW_OP_breg4 (rsi) 8 */
	ldmxcsr (%rsp)
	fldcw 4(%rsp)
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	popq %r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq %r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq %r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq %r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	leaq 128(%rsp), %rsp
	.cfi_adjust_cfa_offset -128
	jmp *8(%rsi)
	.cfi_endproc
	.size arch_switch_body, .-arch_switch_body

/*
 * The outermost frame of a thread: arch_context_make() left the entry function in rbx. There is no caller, and the
 * CFI says so, for unwinders to stop here. A thread begins behind the nop: they take what precedes a return address for
 * the call, and to them its address is one as long as the thread has not run.
 */
	.globl arch_thread_start
	.hidden arch_thread_start
	.type arch_thread_start, @function
	.p2align 4
arch_thread_start:
	.cfi_startproc
	.cfi_undefined %rip
	nop
	xorl %ebp, %ebp
	movq %rax, %rdi
	call *%rbx
	ud2
	.cfi_endproc
	.size arch_thread_start, .-arch_thread_start

	.section .note.GNU-stack, "", @progbits
