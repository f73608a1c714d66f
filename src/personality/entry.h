/* SPDX-License-Identifier: BSD-2-Clause */
/* entry.h - how a program's system calls come to us, and how it goes on after them */
#ifndef PERSONALITY_ENTRY_H
#define PERSONALITY_ENTRY_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The program's registers at a system call. Known to entry.S. */
struct entry_regs {
	uint64_t r15, r14, r13, r12, rbx, rbp, r9, r8, r10, rdx, rsi, rdi;
	uint64_t rax;	/* the number; afterwards the result */
	uint64_t flags; /* as lahf and seto leave them in ax */
	uint64_t rsp;
	uint64_t rip; /* behind the system call */
};

/* A rewritten call. Known to entry.S: a stub knows the address of its own. */
struct entry_site {
	uint64_t es_rip;   /* behind the system call */
	int32_t es_number; /* -1: it is in rax; but see FIX_TAIL */
	uint8_t es_fix;	   /* enum entry_fix: what the instruction between did, or the one that was replaced */
	uint8_t es_byte;
	uint8_t es_sse; /* the code around it was compiled for no vector registers but xmm0 to xmm15 */
	uint8_t es_tail;
};

enum entry_fix {
	FIX_NONE,
	FIX_R9_STACK,  /* mov 8(%rsp), %r9 */
	FIX_EDI_STACK, /* mov BYTE(%rsp), %edi */
	FIX_XOR_SIL,   /* xor $BYTE, %sil */
	FIX_XOR_DL,    /* xor $BYTE, %dl */
	FIX_EDX_ZERO,  /* xor %edx, %edx */
	FIX_AND_ESI,   /* and $128, %esi */
	FIX_RSI_RIP,   /* lea N(%rip), %rsi */
	FIX_RSI_RBX,   /* lea N(%rbx), %rsi */
	FIX_EDI_ZERO,  /* xor %edi, %edi */
	FIX_TAIL,      /* mov $es_number, register es_byte; and what follows, es_tail bytes (tail.c) */
};

enum { ENTRY_SITES = 1024, STUB_SIZE = 16 };

extern struct entry_site entry_sites[ENTRY_SITES];
extern const char entry_stubs[];

/* What entry_fast() says: known to entry.S. */
enum entry_way { WAY_PASS, WAY_ANSWERED, WAY_SLOW, WAY_SLOW_SSE };

/* Called by entry.S. Neither touches a vector register that matters: the first is built without, around the second they
 * are saved. */
unsigned entry_fast(struct entry_regs *g, const struct entry_site *site);
void entry_slow(struct entry_regs *g);

/* The calls between these two addresses are let through, however the selector stands. */
extern const char entry_region_begin[], entry_region_end[];

/* A system call, there: what the kernel returns. Context: any. */
long entry_raw(long nr, long a, long b, long c, long d, long e, long f);

/* What a handler of ours returns to: known to the kernel. */
extern const char entry_restorer[];

/* The calling context goes on with these registers. */
void entry_resume(const struct entry_regs *g) __attribute__((noreturn));

/* clone(2), with the arguments in G, whose child goes on as CHILD says. */
long entry_clone(const struct entry_regs *g, const struct entry_regs *child);

/* Ends a handler of the program's, whose frame lies at SP, as rt_sigreturn(2) does. */
void entry_sigreturn(uint64_t sp) __attribute__((noreturn));

/* HANDLER(number, info, context), on the stack that ends at TOP. Context: any. */
void entry_call_on(uint64_t top, void (*handler)(int number, siginfo_t *info, void *context), int number,
		   siginfo_t *info, void *context);

/* How entry.S saves vector registers, and into how many bytes. Written at the start. */
extern uint32_t entry_vector_way, entry_vector_size;
extern uint64_t entry_vector_mask;

#define RAW(nr, ...) RAW_ARGS(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define RAW_ARGS(nr, a, b, c, d, e, f, ...)                                                                            \
	entry_raw(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/*
 * In which state the calling thread is. In its thread-local storage, of which every thread that may come here has a
 * block: those of the runtime's own, and of kernel threads that the program never sees, say ENTRY_US, too.
 */
enum entry_mode { ENTRY_US, ENTRY_PROGRAM };
extern __thread uint32_t entry_mode __attribute__((tls_model("initial-exec")));

/* From the program to us, and back; ENTRY_PROGRAM before and after. Context: T. */
void entry_enter(void);
void entry_leave(void);

/* Around a handler of the library's, whatever it has interrupted: its calls are ours. Context: S. */
uint32_t entry_handler_begins(void);
void entry_handler_ends(uint32_t before);

/* The calling kernel thread's calls are reported from now on. 0 or -errno. Context: F. */
int entry_arm(unsigned lwp);

/* The first thing that happens: the calling kernel thread is the process's only one. 0 or -errno. */
int entry_begin(void);

/* Nothing is handled any more: a child that goes on natively. Context: K. */
void entry_end(void);
bool entry_ended(void);

#endif
