/* SPDX-License-Identifier: BSD-2-Clause */
/* self.c - what a thread asks about itself, and what is refused */
#include <asm/prctl.h>
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "base/panic.h"
#include "personality/calls.h"
#include "personality/clib.h"
#include "personality/guest.h"
#include "personality/masks.h"
#include "personality/stats.h"
#include "personality/table.h"
#include "sched/current.h"
#include "sched/sched.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

static int64_t pass(const struct entry_regs *g)
{
	return RAW((long)g->rax, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9);
}

int64_t self_gettid(struct entry_regs *g)
{
	/* Who blocks even the C library's own signals is about to change credentials: clib.c. */
	if (!clib.is_glibc && guest_self->gu_thread && masks_is_all(guest_self->gu_mask) &&
	    (guest_self->gu_mask & clib.internal) == clib.internal)
		return 0;
	return guest_self->gu_thread ? guest_self->gu_tid : pass(g);
}

int64_t self_yield(struct entry_regs *g)
{
	(void)g;
	sched_yield_self();
	return 0;
}

int64_t self_prctl(struct entry_regs *g)
{
	struct guest *gu = guest_self;

	switch ((int)g->rdi) {
	case PR_SET_SYSCALL_USER_DISPATCH:
		return refuse("dispatch of system calls, which the personality itself uses");
	case PR_SET_NAME:
		if (!gu->gu_thread || gu == &guest_main)
			break;
		strncpy(gu->gu_name, (const char *)g->rsi, sizeof(gu->gu_name) - 1);
		return 0;
	case PR_GET_NAME:
		if (!gu->gu_thread || gu == &guest_main || !gu->gu_name[0])
			break;
		memcpy((char *)g->rsi, gu->gu_name, sizeof(gu->gu_name));
		return 0;
	default:
		break;
	}
	return pass(g);
}

int64_t self_arch_prctl(struct entry_regs *g)
{
	switch ((int)g->rdi) {
	case ARCH_SET_GS:
		return refuse("a GS base, which the runtime uses");
	case ARCH_SET_FS:
		return refuse("a change of the thread pointer");
	case ARCH_GET_GS:
		*(uint64_t *)g->rsi = 0;
		return 0;
	default:
		return pass(g);
	}
}

/*
 * set_robust_list(), rseq(): the C library takes a refusal for a broken kernel. Main's are the kernel's since before.
 */
int64_t self_accepted(struct entry_regs *g)
{
	if (!guest_self->gu_thread)
		return pass(g);
	if (g->rax == SYS_set_robust_list)
		guest_self->gu_robust = (struct robust_list_head *)g->rdi;
	return 0;
}

static bool is_ours(int tid)
{
	return tid == 0 || guest_find(tid);
}

/* User threads have no policy and no priority: SCHED_OTHER is what they are taken for. */
int64_t self_scheduling(struct entry_regs *g)
{
	if (!is_ours((int)g->rdi))
		return pass(g);
	switch (g->rax) {
	case SYS_sched_getscheduler:
		return SCHED_NORMAL;
	case SYS_sched_getparam:
		*(int *)g->rsi = 0;
		return 0;
	case SYS_sched_setscheduler:
		return g->rsi == SCHED_NORMAL || g->rsi == SCHED_BATCH || g->rsi == SCHED_IDLE ? 0 : -EPERM;
	default:
		return *(const int *)g->rsi ? -EINVAL : 0;
	}
}

/* The CPUs of a thread are those of the process. What is set is looked at, and then forgotten. */
int64_t self_affinity(struct entry_regs *g)
{
	if (!is_ours((int)g->rdi))
		return pass(g);
	if (g->rax == SYS_sched_getaffinity)
		return RAW(SYS_sched_getaffinity, 0, g->rsi, g->rdx);
	return 0;
}

int64_t self_exit_group(struct entry_regs *g)
{
	stats_print();
	return pass(g);
}

int64_t self_refused(struct entry_regs *g)
{
	return refuse(table_row(g->rax)->name);
}

int64_t refuse(const char *what)
{
	if (strict)
		panic("not supported: %s", what);
	return -ENOSYS;
}
