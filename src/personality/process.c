/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * process.c - children of the program
 *
 * fork(): the child has one thread, the one that forked, and becomes a process that has never made another: that is
 * its first thread now, with the number of the process, and the runtime starts once more when it makes a second one.
 * What there is of the parent's runtime is forgotten. The LWPs' stacks must be, for the C library, whose threads they
 * are, takes them for free in the child. So is whoever waited: the nodes lie on the stacks of threads that are gone.
 * What stays is what belongs to the process: handlers, rewritten sites, what the program has asked for.
 *
 *	before		signals are blocked: a handler in the child would find half of each. The other LWPs stand still
 *			in a round (sched/fork.c), and nobody rewrites a site
 *	the parent	all goes on
 *	the child	forgets; the kernel reports its calls no more, so it is armed; signals are unblocked
 *
 * The C library has taken its locks, and the program has been told (pthread_atfork()), before the call comes here, and
 * both undo that after it.
 *
 * The kernel writes to a structure in the thread-local storage of the LWP (rseq), which in the child is any thread's
 * next, or nobody's memory: that is ended first.
 *
 * vfork() is fork() whose parent waits, because the child of the real one would run on the stack that our own frames
 * lie on. It will execute another program, or end, so where there is a runtime it goes on natively, and nobody is
 * stopped for it. A child that shares our memory on a stack of its own (posix_spawn()) finds ENTRY_US in the
 * thread-local storage that it shares with the caller. One with a copy of it on a stack of its own goes on natively.
 */
#include "personality/process.h"

#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "base/compiler.h"
#include "personality/futex.h"
#include "personality/guest.h"
#include "personality/masks.h"
#include "personality/offload.h"
#include "personality/rewrite.h"
#include "personality/route.h"
#include "personality/sockets.h"
#include "personality/stats.h"
#include "personality/timers.h"
#include "sched/fork.h"
#include "sched/lwp.h"

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

enum { RSEQ_LEAST = 32, RSEQ_UNREGISTER = 1, RSEQ_SIGNATURE = 0x53053053 };

bool process_alone;

/* The C library's, from 2.35 on: where the structure is, from the thread pointer. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));

/* A process, or a kernel thread, that begins on a stack of its own. */
static int64_t plain_on(const struct entry_regs *g, uint64_t stack)
{
	struct entry_regs *child = (struct entry_regs *)((stack - CLONE_RED_ZONE) & ~UINT64_C(15)) - 1;

	*child = *g;
	child->rax = 0;
	child->rsp = stack;
	return entry_clone(g, child);
}

int64_t process_plain(const struct entry_regs *g)
{
	struct clone_wish w;

	clone_read(g, &w);
	if (w.stack)
		return plain_on(g, w.stack);
	if ((w.flags & CLONE_VM) && g->rax != SYS_clone3)
		return RAW(SYS_clone, w.flags & ~(uint64_t)CLONE_VM, 0, w.parent_tid, w.child_tid, w.tls);
	return RAW((long)g->rax, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9);
}

/* The kernel thread that runs us does without. Its block is the one that the C library has made for it. */
static void end_rseq(uintptr_t tls)
{
	uint64_t size = (getauxval(AT_RSEQ_FEATURE_SIZE) + RSEQ_LEAST - 1) / RSEQ_LEAST * RSEQ_LEAST;

	if (!&__rseq_offset)
		return;
	if (RAW(SYS_rseq, tls + (uintptr_t)__rseq_offset, RSEQ_LEAST, RSEQ_UNREGISTER, RSEQ_SIGNATURE) != 0)
		RAW(SYS_rseq, tls + (uintptr_t)__rseq_offset, size, RSEQ_UNREGISTER, RSEQ_SIGNATURE);
}

/* The parent had a runtime. */
static void forget_runtime(const struct clone_wish *w)
{
	end_rseq(arch_lwp()->lw_kernel_tls);
	rewrite_release();
	sched_fork_child();
	futex_forked();
	masks_forked();
	offload_forked();
	route_forked();
	timers_forked();
	clone_forked(w);
}

static int64_t fork_here(const struct entry_regs *g, const struct clone_wish *w)
{
	uint64_t mask = masks_hold();
	bool begun = clone_has_begun();
	int64_t pid;

	if (begun) {
		sched_fork_prepare();
		rewrite_hold();
	}
	pid = process_plain(g);
	if (pid == 0) {
		if (begun)
			forget_runtime(w);
		stats = (struct stats){0};
		if (process_alone || entry_arm(0) != 0)
			entry_end();
	} else if (begun) {
		rewrite_release();
		sched_fork_parent();
	}
	masks_release(mask);
	return pid;
}

/* The child ends soon, or executes another program. */
static int64_t vfork_here(const struct entry_regs *g)
{
	int64_t pid = process_plain(g);

	if (pid == 0) {
		futex_forked();
		entry_end();
	}
	return pid;
}

static int64_t make(const struct entry_regs *g, const struct clone_wish *w)
{
	if (w->stack)
		return process_plain(g);
	if ((w->flags & CLONE_VM) && g->rax == SYS_clone3)
		return refuse("a process that shares this one's memory, and its stack");
	if ((w->flags & CLONE_VFORK) && (clone_has_begun() || process_alone))
		return vfork_here(g);
	return fork_here(g, w);
}

int64_t process_make(const struct entry_regs *g, const struct clone_wish *w)
{
	int64_t pid;

	/* It has the descriptors, too; and those that another thread accepts until it is there. */
	sockets_unsure_of_all();
	pid = make(g, w);
	sockets_unsure_of_all();
	return pid;
}
