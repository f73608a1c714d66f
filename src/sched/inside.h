/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inside.h - the sections in which an LWP must be left alone
 *
 * What belongs to a vCPU, or to the kernel port of an LWP, is used without locks by the LWP that holds it. Between
 * inside_enter() and inside_leave() nobody takes either away; outside somebody may, at any instruction, without the
 * thread's help. So whatever reads lw_vcpu or touches lw_kport is inside, and looks at lw_vcpu again each time: it is
 * NULL for a thread whose vCPU was given away (sched/handoff.c has the essay).
 *
 * Both are a plain store, and the first one a plain load and a test: what must be ordered across CPUs is ordered by who
 * takes, with membarrier(2).
 *
 * Scheduler context is inside all the time. Sections nest, but a thread that leaves (sched_leave()) is in none, or in
 * one that ends with it.
 */
#ifndef SCHED_INSIDE_H
#define SCHED_INSIDE_H

#include "base/atomic.h"
#include "sched/lwp.h"

/* Somebody asks for what LW holds, or has taken it: lw_vcpu is right afterwards. Context: T V, on LW, inside. */
void inside_asked(struct lwp *lw);

/* Only the compiler must keep the order: see above. */
static inline void inside_barrier(void)
{
	__asm__ volatile("" ::: "memory");
}

/* From here on LW, the caller's own, is left alone. Context: T V. */
static inline void inside_enter(struct lwp *lw)
{
	store_relaxed(&lw->lw_inside, load_relaxed(&lw->lw_inside) + 1);
	inside_barrier(); /* ORD inside-1: pairs with ORD inside-2 in sched/handoff.c */
	if (UNLIKELY(load_relaxed(&lw->lw_asked)))
		inside_asked(lw);
}

/*
 * The same for a thread that is about to leave: it is in no other section, or will not come back to that. Returns
 * whether LW has a vCPU. Context: T.
 */
static inline bool inside_begin(struct lwp *lw)
{
	store_relaxed(&lw->lw_inside, 1);
	inside_barrier(); /* ORD inside-1: pairs with ORD inside-2 in sched/handoff.c */
	if (LIKELY(!load_relaxed(&lw->lw_asked)))
		return true;
	inside_asked(lw);
	return lw->lw_vcpu != NULL;
}

/* Until here. Context: T V. */
static inline void inside_leave(struct lwp *lw)
{
	/* ORD inside-3: pairs with ORD inside-4 in sched/handoff.c */
	store_release(&lw->lw_inside, load_relaxed(&lw->lw_inside) - 1);
}

/* A thread arrives in, or begins with, the section in which another one has left. Context: T. */
static inline void inside_arrived(void)
{
	store_release(&arch_lwp()->lw_inside, 0); /* ORD inside-3: pairs with ORD inside-4 in sched/handoff.c */
}

#endif
