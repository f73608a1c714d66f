/* SPDX-License-Identifier: BSD-2-Clause */
/* sched.h - how threads get a vCPU and leave it */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "base/atomic.h"
#include "base/guard.h"
#include "sched/thread.h"
#include "sched/vcpu.h"

struct ell_port;

/* Where a thread goes that was woken. */
enum ready_where {
	READY_LAST, /* to the end of the queue */
	READY_NEXT, /* before the queue: the caller is about to wait */
	READY_HERE, /* the same, and no thief may take it: the caller is on an LWP, and leaves for good */
};

/*
 * TH, which is not queued and not running, may run now. From an LWP it goes to that LWP's vCPU, unless it may not move;
 * from elsewhere to the inbox of the vCPU where it was. Context: T V F.
 */
void sched_ready(struct thread *th, enum ready_where where);

/* The same, by what may be done anywhere: TH goes to an inbox. Context: any. */
void sched_ready_from_handler(struct thread *th);

/*
 * The running thread, TH, leaves as its th_leave says; returns when it runs again. LEAVE_EXIT never returns. If the
 * caller is inside (sched/inside.h), that ends here. Context: T. Parks.
 */
void sched_leave(struct thread *th);

/* To the end of the queue; returns at once if nobody else is ready. Context: T. Parks. */
void sched_yield_self(void);

/* The rounds of an LWP, until the runtime ends. Context: V. */
void sched_loop(struct lwp *lw);

/* TH runs again, and was at DEPTH (base/guard.h) when it left. Context: T, TH itself. */
static inline void sched_arrived(const struct thread *th, uint32_t depth)
{
	ell_critical_self.cr_depth = depth;
	/* What others want of it, they write before they look where it runs: see sched/interrupt.c. */
	if (UNLIKELY(load_relaxed(&th->th_wanted)))
		ell_critical_self.cr_due = 1;
}

/* What a context that has just been switched to does about the thread that ran before, which may be NULL. */
void sched_finish_previous(struct thread *previous);

/* The same in scheduler context, whose LWP may have lost its vCPU to the hand-off. Context: V. */
void sched_came_back(struct thread *previous);

/* The inbox of VC gets TH, and its LWP is woken if it sleeps. Context: any. */
void sched_post(struct vcpu *vc, struct thread *th);

/* There is more to do than one vCPU does: an idle one may be worth waking. Context: T V. */
void sched_wake_idle(void);

/* A vCPU that was idle, for the caller to give work to and wake; NULL if there is none. Context: any. */
struct vcpu *sched_claim_idle(void);

/* Nothing to run: sleeps until something may be. Context: V. */
void sched_idle(struct lwp *lw);

/* Called on an LWP that is about to sleep; or NULL. Context: V. */
extern void (*sched_idles)(void);

/* Moves what is in the inbox to the run queue. Context: V, T; on VC. */
void sched_take_inbox(struct vcpu *vc);

/* Ready threads of others: one to run now, or NULL. Context: V. */
struct thread *sched_steal(struct vcpu *vc);

/* VC has found something to run. Context: V, on VC. */
void sched_found(struct vcpu *vc);

/* The thread room says here what becomes of a thread that has left for good. */
extern void (*sched_thread_gone)(struct thread *th);

/* And this for each LWP, on it, when it begins. */
extern void (*sched_lwp_begins)(void);

/* What the life room does when the runtime has started, and on the first LWP, when that of ell_run() has ended. */
extern void (*sched_begun)(void);
extern void (*sched_ending)(void);

/* The calling kernel thread is no LWP any more. */
void lwp_resign(void);

/* And before a fault ends the process. NULL: nothing. Context: S. */
extern void (*sched_crash)(int number);

/* The address of errno in the TLS that is in use now. */
int *lwp_errno(void);

/* Starts the vCPUs, an LWP for each; the calling kernel thread becomes the first. 0 or -errno. */
int sched_start(struct lwp **self);

/* In the child of a foreign kernel thread there is no LWP, and the runtime may be started anew. Context: K. */
void sched_start_forget(void);

/* One more LWP, number NUMBER, without vCPU: 0 or -errno. Context: F, the monitor. */
int sched_spare_create(unsigned number);

/* Wakes each LWP that sleeps. Context: T V F. */
void sched_wake_lwps(void);

/* The last words of the runtime: the other LWPs stop at their next round. The caller is no LWP afterwards. */
void sched_end(void);

/* Calls FN(PORT, ARG): in it the caller can neither wait nor yield. Context: T V F. */
void sched_upcall(void (*fn)(struct ell_port *port, void *arg), struct ell_port *port, void *arg);

/* The wheel's expiry function. Context: V. */
void sched_expire(uint64_t what);

#endif
