/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sites.c - a library of an ordinary program: system calls in the middle of functions, as compilers put them there
 *
 * Only what is near the personality can be rewritten: libraries are, programs are not. Each call says by its result, a
 * place in a file, what its arguments were. The order of instructions is what matters, so they are written down.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TIMES = 100, FEW = 5 };

static long file;

#define CALL(code, ...)                                                                                                \
	({                                                                                                             \
		long result, whole = file;                                                                             \
                                                                                                                       \
		__asm__ volatile(code "\n\tsyscall"                                                                    \
				 : "=a"(result), "+D"(whole)                                                           \
				 : __VA_ARGS__                                                                         \
				 : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory");                     \
		whole == file ? result : -1;                                                                           \
	})

/* A number between, and the one of the call comes from another register. */
static long by_move(long i)
{
	return CALL("movl $8, %%r8d\n\tmovl $77, %%esi\n\tmovl $0, %%edx\n\tmovq %%r8, %%rax", "b"(i)) + i;
}

static long by_zero(long i)
{
	return CALL("movl $8, %%eax\n\tmovq %%rbx, %%rsi\n\tmovl $5, %%r9d\n\txorl %%edx, %%edx", "b"(i));
}

/* What a comparison has said is used behind the place that becomes a jump. */
static long by_flags(long i)
{
	return CALL("xorl %%esi, %%esi\n\tmovl $8, %%r8d\n\tcmpl $50, %%ebx\n\tmovl $0, %%edx\n\tsetne %%sil\n\t"
		    "movq %%r8, %%rax\n\tshll $7, %%esi\n\torl $1, %%esi",
		    "b"(i));
}

static long by_sign(long i)
{
	return CALL("movl $8, %%eax\n\tmovl $0, %%edx\n\tmovslq %%ebx, %%rsi", "b"((unsigned)-1 - (unsigned)i));
}

static long by_address(long i)
{
	return CALL("movl $8, %%eax\n\tmovl $0, %%edx\n\tleaq 0x20(%%rbx), %%rsi", "b"(i));
}

static long by_mask(long i)
{
	return CALL("movl $8, %%eax\n\tmovq %%rbx, %%rsi\n\tmovl $0, %%edx\n\tandl $15, %%esi", "b"(i));
}

/* The address of a variable, as far from here. */
static long by_place(long i)
{
	static char variable;

	return CALL("movl $8, %%eax\n\tmovl $0, %%edx\n\tleaq %c2(%%rip), %%rsi", "i"(&variable), "b"(i)) -
	       (long)(uintptr_t)&variable;
}

/* In the store of a byte, 0 at 0x8b8(%rbx), are the bytes of movl $8, %eax; before the call, and directly before it. */
static long by_store(long i)
{
	static char bytes[0x900];
	register long place __asm__("r12") = i;
	long at;

	bytes[0x8b8] = 1;
	at = CALL("movl $8, %%r8d\n\txorl %%edx, %%edx\n\tmovq %%r12, %%rsi\n\tmovb $0, 0x8b8(%%rbx)\n\t"
		  "movq %%r8, %%rax",
		  "b"(bytes), "r"(place));
	return at + 1000 * bytes[0x8b8];
}

static long by_last_store(long i)
{
	static char bytes[0x900];
	register long place __asm__("r12") = i;
	long at;

	bytes[0x8b8] = 1;
	at = CALL("movl $8, %%r8d\n\txorl %%edx, %%edx\n\tmovq %%r12, %%rsi\n\tmovq %%r8, %%rax\n\t"
		  "movb $0, 0x8b8(%%rbx)",
		  "b"(bytes), "r"(place));
	return at + 1000 * bytes[0x8b8];
}

int sites(void);

int sites(void)
{
	static const struct {
		long (*call)(long);
		int times;
	} ways[] = {
		{by_move, TIMES},
		{by_zero, TIMES},
		{by_flags, TIMES},
		{by_sign, TIMES},
		{by_address, TIMES},
		{by_mask, TIMES},
		{by_place, TIMES},
		/* These go on trapping. */
		{by_store, FEW},
		{by_last_store, FEW},
	};

	file = (long)syscall(SYS_memfd_create, "file", 0);
	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		long sum = 0;

		for (long i = 0; i < ways[way].times; i++)
			sum += ways[way].call(i) * (i + 1);
		printf("%zu: %ld\n", way, sum);
	}
	return 0;
}
