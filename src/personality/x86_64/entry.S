/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * entry.S - x86-64: from a rewritten system call to C, and back
 *
 * A stub is reached by a jump that has taken the place of `mov $nr, %eax` before a `syscall`. What a system call leaves
 * alone must be as it was when the program goes on: all registers but rax, rcx and r11, the flags, and the 128 bytes
 * below the stack pointer, which are in use. rcx and r11 are ours from the beginning.
 *
 * The frame that entry_common builds is a struct entry_regs, below the red zone. The CFI is right at each instruction
 * but the first one of a stub, where nothing says yet where the program goes on: there an unwinder stops.
 */
#define R12 24
#define RBX 32
#define RBP 40
#define R9 48
#define R8 56
#define R10 64
#define RDX 72
#define RSI 80
#define RDI 88
#define RAX 96
#define FLAGS 104
#define RSP 112
#define RIP 120
#define FRAME 256			/* struct entry_regs and the red zone */

#define X87_EXCEPTIONS 0x3f		/* in the status word, which lies here in an fnstenv area */
#define X87_STATUS 4

#define SITES 1024
#define LEGACY 512			/* bytes before the header of an xsave area */

	.bss
	.globl entry_sites
	.hidden entry_sites
	.type entry_sites, @object
	.size entry_sites, SITES * 16
	.p2align 4
entry_sites:
	.zero SITES * 16

	.text
	.globl entry_stubs
	.hidden entry_stubs
	.type entry_stubs, @function
	.p2align 4
entry_stubs:
	.cfi_startproc
	.cfi_def_cfa %rsp, 0
	.set site, 0
	.rept SITES
	.cfi_undefined %rip
	leaq entry_sites + site(%rip), %r11
	.cfi_escape 0x10, 0x10, 0x02, 0x7b, 0x00	/* DW_CFA_expression rip: DW_OP_breg11 (r11) 0 */
	jmp entry_common
	.p2align 4
	.set site, site + 16
	.endr
	.cfi_endproc
	.size entry_stubs, . - entry_stubs

	.globl entry_region_begin
	.hidden entry_region_begin
entry_region_begin:

	.type entry_common, @function
	.p2align 6
entry_common:
	.cfi_startproc
	.cfi_def_cfa %rsp, 0
	.cfi_escape 0x10, 0x10, 0x02, 0x7b, 0x00
	leaq -128(%rsp), %rsp
	.cfi_def_cfa_offset 128
	pushq (%r11)
	.cfi_def_cfa_offset 136
	.cfi_offset %rip, -136
	leaq 136(%rsp), %rcx
	pushq %rcx
	.cfi_def_cfa_offset 144
	movq %rax, %rcx
	lahf
	seto %al
	pushq %rax
	.cfi_def_cfa_offset 152
	pushq %rcx
	.cfi_def_cfa_offset 160
	pushq %rdi
	.cfi_def_cfa_offset 168
	pushq %rsi
	.cfi_def_cfa_offset 176
	pushq %rdx
	.cfi_def_cfa_offset 184
	pushq %r10
	.cfi_def_cfa_offset 192
	pushq %r8
	.cfi_def_cfa_offset 200
	pushq %r9
	.cfi_def_cfa_offset 208
	pushq %rbp
	.cfi_def_cfa_offset 216
	.cfi_rel_offset %rbp, 0
	pushq %rbx
	.cfi_def_cfa_offset 224
	.cfi_rel_offset %rbx, 0
	pushq %r12
	.cfi_def_cfa_offset 232
	.cfi_rel_offset %r12, 0
	pushq %r13
	.cfi_def_cfa_offset 240
	.cfi_rel_offset %r13, 0
	pushq %r14
	.cfi_def_cfa_offset 248
	.cfi_rel_offset %r14, 0
	pushq %r15
	.cfi_def_cfa_offset 256
	.cfi_rel_offset %r15, 0
	movq %rsp, %rbp
	.cfi_def_cfa %rbp, 256
	movq %rsp, %rdi
	movq %r11, %rsi
	andq $-16, %rsp
	call entry_fast
	movq %rbp, %rsp
	.cfi_def_cfa %rsp, 256
	cmpl $2, %eax
	je slow
	ja slow_sse
	testl %eax, %eax
	movq RDI(%rsp), %rdi
	movq RSI(%rsp), %rsi
	movq RDX(%rsp), %rdx
	movq R10(%rsp), %r10
	movq R8(%rsp), %r8
	movq R9(%rsp), %r9
	movq RAX(%rsp), %rax
	jnz answered
	syscall
answered:
	movq %rax, %rcx
	movl FLAGS(%rsp), %eax
	addb $127, %al
	sahf
	movq %rcx, %rax
	movq RIP(%rsp), %rcx
	.cfi_register %rip, %rcx
	movq RBP(%rsp), %rbp
	.cfi_restore %rbp
	leaq FRAME(%rsp), %rsp
	.cfi_def_cfa %rsp, 0
	notrack jmp *%rcx

slow:
	.cfi_def_cfa %rsp, 256
	.cfi_offset %rip, -136
	.cfi_offset %rbp, -216
	movq %rsp, %rbp
	.cfi_def_cfa %rbp, 256
	movl entry_vector_size(%rip), %ecx
	subq %rcx, %rsp
	andq $-64, %rsp
	movq %rsp, %r12
	/* The header must be zero where the processor does not write it. */
	xorl %eax, %eax
	movq %rax, LEGACY(%rsp)
	movq %rax, LEGACY + 8(%rsp)
	movq %rax, LEGACY + 16(%rsp)
	movq %rax, LEGACY + 24(%rsp)
	movq %rax, LEGACY + 32(%rsp)
	movq %rax, LEGACY + 40(%rsp)
	movq %rax, LEGACY + 48(%rsp)
	movq %rax, LEGACY + 56(%rsp)
	movl entry_vector_mask(%rip), %eax
	movl entry_vector_mask + 4(%rip), %edx
	cmpl $1, entry_vector_way(%rip)
	ja 2f
	je 1f
	fxsave64 (%rsp)
	jmp 3f
1:	xsave64 (%rsp)
	jmp 3f
2:	xsavec64 (%rsp)
3:	movq %rbp, %rdi
	call entry_slow
	cmpl $0, entry_vector_way(%rip)
	je 4f
	movl entry_vector_mask(%rip), %eax
	movl entry_vector_mask + 4(%rip), %edx
	xrstor64 (%r12)
	jmp 5f
4:	fxrstor64 (%r12)
5:	movq %rbp, %rsp
	.cfi_def_cfa %rsp, 256
	movq R12(%rsp), %r12
back:
	movq RDI(%rsp), %rdi
	movq RSI(%rsp), %rsi
	movq RDX(%rsp), %rdx
	movq R10(%rsp), %r10
	movq R8(%rsp), %r8
	movq R9(%rsp), %r9
	movq RAX(%rsp), %rax
	jmp answered

	/*
	 * A tenth of the time: the code at the site has no other vector registers. What exceptions the x87 unit has seen
	 * is the thread's, too; it is written only if another thread has changed it, for that is slow.
	 */
slow_sse:
	movq %rsp, %rbp
	.cfi_def_cfa %rbp, 256
	subq $256 + 16, %rsp
	andq $-16, %rsp
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movaps %xmm\n, 16 * \n(%rsp)
	.endr
	fnstsw 256(%rsp)
	movq %rbp, %rdi
	call entry_slow
	fnstsw %ax
	xorb 256(%rsp), %al
	testb $X87_EXCEPTIONS, %al
	jnz exceptions
6:	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movaps 16 * \n(%rsp), %xmm\n
	.endr
	movq %rbp, %rsp
	.cfi_def_cfa %rsp, 256
	jmp back

exceptions:
	.cfi_def_cfa %rbp, 256
	andl $X87_EXCEPTIONS, %eax
	subq $32, %rsp
	fnstenv (%rsp)
	xorl %eax, X87_STATUS(%rsp)
	fldenv (%rsp)
	addq $32, %rsp
	jmp 6b
	.cfi_endproc
	.size entry_common, . - entry_common

/* entry_raw(nr, a, b, c, d, e, f) */
	.globl entry_raw
	.hidden entry_raw
	.type entry_raw, @function
	.p2align 4
entry_raw:
	.cfi_startproc
	movq %rdi, %rax
	movq %rsi, %rdi
	movq %rdx, %rsi
	movq %rcx, %rdx
	movq %r8, %r10
	movq %r9, %r8
	movq 8(%rsp), %r9
	syscall
	ret
	.cfi_endproc
	.size entry_raw, . - entry_raw

/*
 * entry_clone(g, child). The child comes back on the stack that it was given: there it finds what it needs in rbx.
 */
	.globl entry_clone
	.hidden entry_clone
	.type entry_clone, @function
	.p2align 4
entry_clone:
	.cfi_startproc
	pushq %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	movq %rsi, %rbx
	movq RAX(%rdi), %rax
	movq RSI(%rdi), %rsi
	movq RDX(%rdi), %rdx
	movq R10(%rdi), %r10
	movq R8(%rdi), %r8
	movq R9(%rdi), %r9
	movq RDI(%rdi), %rdi
	syscall
	testq %rax, %rax
	jz 1f
	popq %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
1:	.cfi_undefined %rip
	movq %rbx, %rdi
	jmp entry_resume
	.cfi_endproc
	.size entry_clone, . - entry_clone

/* entry_resume(g) */
	.globl entry_resume
	.hidden entry_resume
	.type entry_resume, @function
	.p2align 4
entry_resume:
	.cfi_startproc
	.cfi_undefined %rip
	movl FLAGS(%rdi), %eax
	addb $127, %al
	sahf
	movq (%rdi), %r15
	movq 8(%rdi), %r14
	movq 16(%rdi), %r13
	movq R12(%rdi), %r12
	movq RBX(%rdi), %rbx
	movq RBP(%rdi), %rbp
	movq R9(%rdi), %r9
	movq R8(%rdi), %r8
	movq R10(%rdi), %r10
	movq RDX(%rdi), %rdx
	movq RSI(%rdi), %rsi
	movq RAX(%rdi), %rax
	movq RIP(%rdi), %rcx
	movq RSP(%rdi), %rsp
	movq RDI(%rdi), %rdi
	notrack jmp *%rcx
	.cfi_endproc
	.size entry_resume, . - entry_resume

/* entry_sigreturn(sp): ends a handler of the program's, whose frame lies at sp. */
	.globl entry_sigreturn
	.hidden entry_sigreturn
	.type entry_sigreturn, @function
	.p2align 4
entry_sigreturn:
	.cfi_startproc
	.cfi_undefined %rip
	movq %rdi, %rsp
	movl $15, %eax
	syscall
	ud2
	.cfi_endproc
	.size entry_sigreturn, . - entry_sigreturn

/* entry_call_on(top, handler, number, info, context) */
	.globl entry_call_on
	.hidden entry_call_on
	.type entry_call_on, @function
	.p2align 4
entry_call_on:
	.cfi_startproc
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	andq $-16, %rdi
	movq %rdi, %rsp
	movq %rsi, %rax
	movl %edx, %edi
	movq %rcx, %rsi
	movq %r8, %rdx
	call *%rax
	movq %rbp, %rsp
	popq %rbp
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size entry_call_on, . - entry_call_on

/* No CFI: unwinders know what these bytes are. The nop is for those that look one byte before the return address. */
	nop
	.globl entry_restorer
	.hidden entry_restorer
	.type entry_restorer, @function
entry_restorer:
	movq $15, %rax
	syscall
	.size entry_restorer, . - entry_restorer
	/* The kernel compares the address behind the instruction. */
	nop
	.globl entry_region_end
	.hidden entry_region_end
entry_region_end:

	.section .note.GNU-stack, "", @progbits
