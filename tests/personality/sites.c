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

enum { TIMES = 100 };

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

int sites(void);

int sites(void)
{
	static long (*const ways[])(long) = {by_move, by_zero, by_flags, by_sign, by_address, by_mask, by_place};

	file = (long)syscall(SYS_memfd_create, "file", 0);
	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		long sum = 0;

		for (long i = 0; i < TIMES; i++)
			sum += ways[way](i) * (i + 1);
		printf("%zu: %ld\n", way, sum);
	}
	return 0;
}
