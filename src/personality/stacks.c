/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stacks.c - a program's stacks without a mapping for each guard
 *
 * The C library maps a stack without access and then makes all of it but the guard accessible: two mappings per thread,
 * and with some 32,000 threads vm.max_map_count is used up. Here the stack is accessible from the start, and the guard
 * becomes guard regions (MADV_GUARD_INSTALL) when its size is known. Neighbouring stacks then are one mapping.
 *
 * So it is known by a flag, MAP_STACK, and by the order of two calls of one thread: whatever else it maps, unmaps or
 * protects in between, the range is forgotten, and stays accessible. A cached stack may get a smaller guard: what is
 * made accessible loses its guard regions, up to a size at which nobody has a guard.
 *
 * Such a mapping is large, and would be given huge pages where the system likes those: they are refused. For small
 * stacks they need not be, since there is a guard wherever a huge page could be. So these have no flag that other
 * memory has not, and small pieces of other memory get the one that it would lack: a program that maps something for
 * each thread beside its stack, as CPython does, has one mapping all the same.
 */
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "mem/advice.h"
#include "personality/calls.h"
#include "personality/clone.h"
#include "personality/guest.h"

enum { GUARD_MOST = 65536, SMALL = 1 << 20 };

#define STACK (MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK)

/* There are guard regions. */
static uint32_t used;

/* Does this kernel have them? Tried once, on pages of our own. */
static bool can_guard(void)
{
	static uint32_t known; /* 0, or 1: no, or 2: yes */
	int64_t at;

	if (!load_relaxed(&known)) {
		at = RAW(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
		store_relaxed(&known, at > 0 && RAW(SYS_madvise, at, 4096, GUARD_INSTALL) == 0 ? 2 : 1);
		if (at > 0)
			RAW(SYS_munmap, at, 4096);
	}
	return load_relaxed(&known) == 2;
}

static bool is_plain_and_small(const struct entry_regs *g)
{
	return g->r10 == (MAP_PRIVATE | MAP_ANONYMOUS) && g->rdx == (PROT_READ | PROT_WRITE) && g->rsi <= SMALL;
}

int64_t stacks_mmap(struct entry_regs *g)
{
	struct guest *gu = guest_self;
	uint64_t flags = g->r10 | MAP_NORESERVE;
	int64_t at;

	gu->gu_stack = 0;
	if (load_relaxed(&used) && is_plain_and_small(g))
		return RAW(SYS_mmap, g->rdi, g->rsi, g->rdx, flags, g->r8, g->r9);
	/* The first thread's comes before there is anything to gain. */
	if (!load_relaxed(&guest_crowd) || g->rdx != PROT_NONE ||
	    (g->r10 & (STACK | MAP_FIXED | MAP_GROWSDOWN)) != STACK || !can_guard())
		return RAW(SYS_mmap, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9);
	if (g->rsi <= SMALL)
		flags &= ~(uint64_t)MAP_STACK;
	at = RAW(SYS_mmap, g->rdi, g->rsi, PROT_READ | PROT_WRITE, flags, g->r8, g->r9);
	if (at < 0)
		return at;
	if (g->rsi > SMALL)
		RAW(SYS_madvise, at, g->rsi, MADV_NOHUGEPAGE);
	gu->gu_stack = (uint64_t)at;
	gu->gu_stack_end = (uint64_t)at + g->rsi;
	return at;
}

int64_t stacks_mprotect(struct entry_regs *g)
{
	struct guest *gu = guest_self;
	uint64_t at = g->rdi, end = at + g->rsi, stack = gu->gu_stack;

	gu->gu_stack = 0;
	if (stack && g->rdx == (PROT_READ | PROT_WRITE) && at > stack && end == gu->gu_stack_end &&
	    RAW(SYS_madvise, stack, at - stack, GUARD_INSTALL) == 0) {
		store_relaxed(&used, 1);
		return 0;
	}
	/* No guard regions: what the C library had asked for. */
	if (stack && at > stack && end == gu->gu_stack_end)
		RAW(SYS_mprotect, stack, at - stack, PROT_NONE);
	if (g->rdx != PROT_NONE && g->rsi <= GUARD_MOST && load_relaxed(&used))
		RAW(SYS_madvise, at, g->rsi, GUARD_REMOVE);
	return RAW(SYS_mprotect, at, g->rsi, g->rdx);
}

bool stacks_unmaps_own(const struct entry_regs *g)
{
	return g->rax == SYS_munmap && g->rsp - g->rdi < g->rsi;
}

int64_t stacks_munmap(struct entry_regs *g)
{
	struct guest *gu = guest_self;

	gu->gu_stack = 0;
	/* A detached thread's last act: clib.c. */
	if (UNLIKELY(stacks_unmaps_own(g)) && gu->gu_thread && gu != &guest_main) {
		gu->gu_left = g->rdi;
		gu->gu_left_size = g->rsi;
		return clone_exit(g);
	}
	return RAW(SYS_munmap, g->rdi, g->rsi);
}
