/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.h - stretches of code in which no thread is interrupted
 *
 * Purpose: an upcall may interrupt a running thread anywhere but where the runtime works on what belongs to an LWP, or
 * holds a short lock. There it has to wait. How deep the caller is in such stretches is a word in its TLS, so that it
 * is right for user threads and foreign ones, and a signal handler finds that of whom it has interrupted. A critical
 * section of a program's (ellula/upcall.h) is the same thing.
 *
 * What holds:
 *
 *  1. Depth 0: nothing that the thread has read about its LWP is remembered, no short lock is held, no sleep is
 *     announced. It may wait, and go on elsewhere.
 *  2. Scheduler context never comes down to 0.
 *  3. Whoever is switched away from is at 1 or more, and so is whoever is switched to. The word in a shared block is
 *     put right by who arrives (sched/switch.c).
 *
 * cr_due is a hint that the signal handler leaves behind: what is due stands elsewhere. Handler and thread share the
 * word, and no other kernel thread does, so plain access will do: between the decrement and the look at cr_due the
 * handler finds depth 0, and interrupts.
 *
 * Rejected: looking whether the program counter is in the library, because the library calls others with locks held; a
 * mark at each public entry, because most entries touch nothing of the LWP's.
 */
#ifndef BASE_GUARD_H
#define BASE_GUARD_H

#include <ellula/upcall.h>

/* Does what is due. The caller is at depth 0. Set once, at the start. Context: T F. */
extern void (*guard_due)(void);

#define guard_enter ell_critical_enter
#define guard_leave ell_critical_leave

/* Is the caller in no stretch but DEPTH? */
static inline int guard_depth_is(uint32_t depth)
{
	return ell_critical_self.cr_depth == depth;
}

#endif
