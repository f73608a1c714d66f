/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline.h - the end of a sleep that nobody else ends */
#ifndef SCHED_DEADLINE_H
#define SCHED_DEADLINE_H

#include <ellula/time.h>

#include "base/atomic.h"
#include "sched/thread.h"

/* The sleep that TH, the caller, is about to begin ends at UNTIL. Context: T. Locks: a wheel's. */
void deadline_set(struct thread *th, ell_time until);

/* The sleep is over. Context: T. */
static inline void deadline_clear(struct thread *th)
{
	store_release(&th->th_until, ELL_FOREVER); /* ORD deadline-1: pairs with ORD deadline-2 in deadline.c */
}

/* TH, the caller, ends: its descriptor will be another thread's. Context: T. Locks: a wheel's. */
void deadline_forget(struct thread *th);

/* The wheels' wh_due. Context: T V. */
ell_time deadline_due(uint64_t *what, ell_time now);

#endif
