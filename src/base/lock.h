/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.h - a word that guards a few instructions
 *
 * For sections that never park, do not call the kernel but where stacks are made (mem/slot.c), and never take a second
 * such lock of equal or lower rank (HACKING.md lists the ranks). No upcall interrupts the holder (guard.h). It may be
 * preempted by the kernel: who waits spins a little, and then gives its CPU away until the word is free. The release is
 * a plain store, because half of the cost of a short section would be a second locked instruction; the price is that
 * nobody wakes a waiter, who therefore never sleeps long.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"

/* The slow half: sys/lock_slow.c. */
COLD void lock_acquire_slow(uint32_t *lock);

/* How often a waiter has spun for long enough, and given its CPU away. */
extern uint64_t lock_gave_up;

/* One try, for those that go on trying. */
static inline bool lock_try(uint32_t *lock)
{
	return xchg_acquire(lock, 1) == 0; /* ORD lock-1: pairs with ORD lock-2 */
}

static inline void lock_acquire(uint32_t *lock)
{
	guard_enter();
	if (UNLIKELY(!lock_try(lock)))
		lock_acquire_slow(lock);
}

static inline void lock_release(uint32_t *lock)
{
	store_release(lock, 0); /* ORD lock-2: pairs with ORD lock-1 */
	guard_leave();
}

#endif
