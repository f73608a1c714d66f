/* SPDX-License-Identifier: BSD-2-Clause */
/* interrupt.h - a thread does something else for a while, wherever it is */
#ifndef SCHED_INTERRUPT_H
#define SCHED_INTERRUPT_H

#include <ellula/time.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

struct thread;

/*
 * What is wanted of TH, the caller, which is interrupted: the room above does it. FRAME is where it was, for
 * arch_frame_context() and arch_frame_info(), or NULL at the end of a guarded stretch. Called at depth 1, for which it
 * may go down to 0 where the thread may wait. Set once. Context: T.
 */
extern void (*interrupt_work)(struct thread *th, void *frame);

/*
 * TH is to call interrupt_work() soon: at once if it runs, and in the middle of its sleep if it sleeps. Context: any.
 */
void interrupt_thread(struct thread *th);

/* Anybody is to call interrupt_any_work(), who is on a vCPU: an idle one at once, or the caller's. Context: any. */
void interrupt_anybody(void);

/* The room above does it, without waiting. Set once. Context: T V. */
extern void (*interrupt_any_work)(void);
extern uint32_t interrupt_any;
COLD void interrupt_do_any(void);

/* The same, for the thread that a signal handler has interrupted at CONTEXT, or none: false. INFO goes to its frame. */
bool interrupt_from_handler(void *context, const void *info);

/* Could it be at once? Context: S. */
bool interrupt_is_possible(const void *context);

/*
 * Brings all other LWPs, and the foreign kernel threads that have used the library, to where they touch nothing of the
 * runtime's, and keeps them there: how many have not come before UNTIL. They are either where the kernel keeps them,
 * with signals blocked, or on their way through a guarded stretch. Helpers go on. The caller must not wait before
 * sched_resume_others(). Context: T V F S, but not in a guarded stretch that others may want to enter.
 */
unsigned sched_stop_others(ell_time until);
void sched_resume_others(void);

/* The child of a fork, on LW or on none: nobody else is there. Context: K. */
struct lwp;
void interrupt_forked(struct lwp *lw);

/* Not 0: everybody is to stop. */
extern uint32_t interrupt_stop;

/* Waits for the end of a stop. */
COLD void interrupt_hold(void);

/* A place where scheduler context may stop, and does what anybody may. Context: V. */
static inline void interrupt_point(void)
{
	if (UNLIKELY(load_relaxed(&interrupt_stop)))
		interrupt_hold();
	if (UNLIKELY(load_relaxed(&interrupt_any)))
		interrupt_do_any();
}

/* How often what happened, since the start: read by anybody. */
struct interrupt_counts {
	uint64_t kicks;	   /* signals sent to LWPs and foreign threads */
	uint64_t at_once;  /* a thread was interrupted where it ran */
	uint64_t deferred; /* it was in a guarded stretch, and came at its end */
	uint64_t in_vain;  /* nobody was there any more */
	uint64_t asleep;   /* a sleeping thread was woken for it */
	uint64_t stops;
	uint64_t late; /* did not come in time for a stop */
};
extern struct interrupt_counts interrupt_counts;

/*
 * Around what the handler does: for who has to know whose the system calls of a kernel thread are. Written before the
 * start. Context: S.
 */
extern uint32_t (*interrupt_begins)(void);
extern void (*interrupt_ends)(uint32_t before);

/* The handler. Once, at the start; and for each kernel thread, that the signal is not blocked. */
void interrupt_start(void);
void interrupt_allow(void);

/* The signal that is the library's own. */
int interrupt_signal(void);

#endif
