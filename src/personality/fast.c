/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fast.c - does a system call need more than the kernel?
 *
 * This file is compiled without vector registers: the program's are in use, and are not saved here.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "personality/entry.h"
#include "personality/futex.h"
#include "personality/guest.h"
#include "personality/table.h"
#include "personality/tail.h"

static void fix(struct entry_regs *g, const struct entry_site *site)
{
	if (site->es_fix == FIX_TAIL) {
		*tail_register(g, site->es_byte) = (uint32_t)site->es_number;
		tail_run((const uint8_t *)site->es_rip - 2 - site->es_tail, site->es_tail, g);
		return;
	}
	if (site->es_number >= 0)
		g->rax = (uint64_t)site->es_number;
	switch ((enum entry_fix)site->es_fix) {
	case FIX_NONE:
	case FIX_TAIL:
		break;
	case FIX_R9_STACK:
		g->r9 = ((const uint64_t *)g->rsp)[1];
		break;
	case FIX_EDI_STACK:
		g->rdi = *(const uint32_t *)(g->rsp + site->es_byte);
		break;
	case FIX_XOR_SIL:
		g->rsi ^= site->es_byte;
		break;
	case FIX_XOR_DL:
		g->rdx ^= site->es_byte;
		break;
	case FIX_EDX_ZERO:
		g->rdx = 0;
		break;
	case FIX_AND_ESI:
		g->rsi = (uint32_t)g->rsi & 128;
		break;
	case FIX_RSI_RIP:
		/* It ends where the system call, of two bytes, begins. */
		g->rsi = site->es_rip - 2 + (uint64_t)(int64_t) * (const int32_t *)(site->es_rip - 6);
		break;
	case FIX_RSI_RBX:
		g->rsi = g->rbx + (uint64_t)(int64_t) * (const int32_t *)(site->es_rip - 6);
		break;
	case FIX_EDI_ZERO:
		g->rdi = 0;
		break;
	}
}

/* What it is about to decide, without a look at the vector registers. */
static enum entry_way way(struct entry_regs *g)
{
	uint64_t nr = g->rax;

	if (UNLIKELY(nr >= TABLE_SIZE))
		return WAY_PASS;
	if (UNLIKELY(entry_mode != ENTRY_PROGRAM)) {
		if (nr == SYS_futex && futex_is_wake(g->rsi))
			return futex_is_waited(g->rdi) ? WAY_SLOW : WAY_PASS;
		if (nr == SYS_futex)
			futex_waits_in_kernel(g->rdi);
		return table_is_clone(nr) ? WAY_SLOW : WAY_PASS;
	}
	switch (table_ways[nr]) {
	case TABLE_PASS:
		return WAY_PASS;
	case TABLE_CROWD:
		if (guest_is_alone() && !futex_has_owner(g)) {
			/* There may be others again in a moment. */
			if (nr == SYS_futex && !futex_is_wake(g->rsi))
				futex_waits_in_kernel(g->rdi);
			return WAY_PASS;
		}
		/* Whom it may concern waits in the kernel, if anywhere. */
		if (nr == SYS_futex && futex_only_wakes(g->rsi) && !futex_is_waited(g->rdi)) {
			if (futex_may_be_in_kernel(g->rdi, g->rsi))
				return WAY_PASS;
			g->rax = 0;
			return WAY_ANSWERED;
		}
		return WAY_SLOW;
	default:
		return WAY_SLOW;
	}
}

unsigned entry_fast(struct entry_regs *g, const struct entry_site *site)
{
	enum entry_way w;

	if (UNLIKELY(site->es_fix))
		fix(g, site);
	else if (site->es_number >= 0)
		g->rax = (uint64_t)site->es_number;
	w = way(g);
	return w == WAY_SLOW && site->es_sse ? WAY_SLOW_SSE : w;
}
