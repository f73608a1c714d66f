/* SPDX-License-Identifier: BSD-2-Clause */
/* current.h - the calling thread */
#ifndef SCHED_CURRENT_H
#define SCHED_CURRENT_H

#include "sched/lwp.h"
#include "sched/thread.h"

/* The descriptor of a foreign kernel thread, made at its first use. Aborts if there is no memory. Context: F. */
struct thread *thread_foreign(void);

/* Aborts: an upcall, or scheduler context, calls what only threads may. */
void thread_misplaced(void) __attribute__((noreturn, cold));

/* The caller: a user thread, or a foreign one. Scheduler context (an upcall's) aborts. Context: T F. */
static inline struct thread *thread_current(void)
{
	struct thread *th;

	if (UNLIKELY(!arch_lwp_or_null()))
		return thread_foreign();
	/* Not by way of the LWP: an upcall may come between two steps, and bring the caller to another one. */
	th = arch_thread();
	if (UNLIKELY(!th))
		thread_misplaced();
	return th;
}

/* Ends as expired the sleep that no waker has ended before. Context: V. */
#include "sched/park.h"
void park_expire(park_ticket ticket);

/* TH will never run again: whatever sleep it is in is over, and nobody wakes it. Context: K. */
void park_bury(struct thread *th);

/* The latest sleep of TH, over or not. Context: any. */
park_ticket park_latest(const struct thread *th);

/*
 * TH has left, parking, and its context is saved: true; or false, somebody has woken it before, and it is ready.
 * Context: T V, whoever came next.
 */
bool park_settle(struct thread *th);

#endif
