/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * park.c - put a thread to sleep and wake it, exactly once
 *
 * Purpose: the one protocol by which threads wait, whatever for: locks, replies, joins, descriptors, time.
 *
 * Words: a sleep is numbered; th_wait holds the number and the state of the thread's latest sleep. A ticket is the
 * number of a sleep and the index of its thread. To unpark a ticket is to end that sleep, and only that.
 *
 * States of a sleep, and who moves it:
 *
 *	AWAKE	-> ARMED	the thread: park_prepare(), with the next number
 *	ARMED	-> AWAKE	the thread: park_cancel()
 *	ARMED	-> PARKED	whoever runs next on its LWP, when the thread's context is saved
 *	PARKED	-> ARMED	who wants an upcall to run in the sleep: park_interrupt()
 *	ARMED, PARKED -> WOKEN	a waker, exactly one: park_unpark()
 *	ARMED, PARKED -> EXPIRED	the wheel, instead of a waker
 *	WOKEN, EXPIRED -> AWAKE	the thread
 *
 * Who moves PARKED to WOKEN or EXPIRED has the thread, and puts it on a run queue. Who moves ARMED so must not: the
 * thread still runs, or is on its way out; it finds WOKEN itself in park_commit(), or whoever runs next finds it
 * instead of ARMED, and queues it.
 *
 * Can a wake be lost?
 *
 *	the thread				the waker
 *	1. th_wait = ARMED			1. makes true what the thread waits for
 *	2. publishes the ticket			2. finds the ticket, or not
 *	3. looks whether what it waits for	3. if found: ARMED or PARKED -> WOKEN
 *	   is true already
 *
 * The place of publication orders 2 against 2: it is one word changed by compare-and-swap (a message, a port), or
 * guarded by a lock (the queue of a lock). Either the waker finds the ticket, and its swap in 3 finds ARMED, since 1
 * came before 2; or the thread in 3 finds what it waits for, and cancels.
 *
 * Can a thread be woken twice? The swap from ARMED or PARKED succeeds once per number. A waker whose swap fails has
 * nothing to do; a waker with the ticket of an old sleep finds another number. Numbers have 37 bits: a waker would have
 * to be stopped between reading a ticket and its swap for longer than the thread needs for 2^37 sleeps, and to the
 * exact number.
 *
 * The descriptor is never used for anything but a thread, so that a late waker may always read th_wait.
 *
 * An upcall may run in the middle of a sleep, and sleep itself (sched/interrupt.c). Who wants it moves PARKED back to
 * ARMED, and queues the thread: nothing is lost by that, for ARMED says that nobody has ended the sleep. The thread
 * finds it, and puts the sleep aside, into th_outer, before the upcall runs; takes it back afterwards, and sleeps on,
 * if nobody has ended it there. A waker that does not find its number in th_wait looks there, and then again at
 * th_wait, for the sleep may just have come back:
 *
 *	the thread				the waker
 *	1. into th_outer; th_outer_count++	1. th_wait has another number
 *	2. th_wait: AWAKE			2. looks at th_outer_count, and into th_outer with its lock
 *	   ... the upcall ...
 *	3. with the lock: th_wait = ARMED,	3. has th_wait changed since 1? then again
 *	   th_outer_count--
 *
 * Foreign kernel threads use the same states; PARKED means asleep on the futex in the low half of th_wait.
 *
 * Ordering: what a waker did before is visible to the thread after: swap to WOKEN (release, ORD park-1), read by the
 * thread (acquire, ORD park-2), or by way of the run queue.
 *
 * Rejected: a permit ("unpark whatever it waits for"), because a late waker would then end a sleep that is not meant,
 * and all waits would have to expect that; pointers to nodes on the sleeper's stack, because they are gone when a
 * second waker comes.
 */
#include "sched/park.h"

#include <errno.h>
#include <linux/futex.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/lock.h"
#include "base/panic.h"
#include "sched/current.h"
#include "sched/deadline.h"
#include "sched/interrupt.h"
#include "sched/sched.h"
#include "sys/sys.h"

enum park_state { AWAKE, ARMED, PARKED, WOKEN, EXPIRED, STATE_BITS = 3 };

#define STATE_MASK UINT64_C(7)
#define NUMBER_MASK ((UINT64_C(1) << 37) - 1)

static park_ticket ticket_of(const struct thread *th, uint64_t number)
{
	return number << THREAD_INDEX_BITS | th->th_slot.sl_number;
}

static struct thread *thread_of(park_ticket ticket)
{
	return thread_at(ticket & THREAD_INDEX_MASK);
}

void park_prefetch(park_ticket ticket)
{
	__builtin_prefetch(thread_of(ticket), 1);
}

static uint64_t number_of(park_ticket ticket)
{
	return ticket >> THREAD_INDEX_BITS;
}

park_ticket park_prepare(void)
{
	struct thread *th = thread_current();
	uint64_t number = (th->th_sleeps + 1) & NUMBER_MASK;

	if (UNLIKELY(th->th_upcalls))
		thread_misplaced();
	guard_enter();
	ASSERT_SLOW((load_relaxed(&th->th_wait) & STATE_MASK) == AWAKE);
	/* 0 is no ticket. */
	number += number == 0;
	store_release(&th->th_sleeps, number);
	store_release(&th->th_wait, number << STATE_BITS | ARMED);
	return ticket_of(th, number);
}

park_ticket park_latest(const struct thread *th)
{
	return ticket_of(th, load_acquire(&th->th_wait) >> STATE_BITS);
}

/* ARMED -> AWAKE, by the thread itself. */
static bool end_armed(struct thread *th, uint64_t number)
{
	uint64_t armed = number << STATE_BITS | ARMED;

	return cas_acq_rel(&th->th_wait, &armed, number << STATE_BITS | AWAKE);
}

bool park_cancel(park_ticket ticket)
{
	if (!end_armed(thread_of(ticket), number_of(ticket)))
		return false;
	guard_leave();
	return true;
}

void park_bury(struct thread *th)
{
	store_relaxed(&th->th_wait, load_relaxed(&th->th_wait) & ~STATE_MASK);
}

bool park_settle(struct thread *th)
{
	uint64_t wait = load_relaxed(&th->th_wait);

	/* ORD park-3: pairs with ORD park-4: whoever wakes it from PARKED sees its context saved. */
	if ((wait & STATE_MASK) != ARMED || !cas_acq_rel(&th->th_wait, &wait, (wait & ~STATE_MASK) | PARKED))
		return false;
	/* Who wanted something of it before has not found it asleep: see sched/interrupt.c. */
	if (UNLIKELY(load_relaxed(&th->th_wanted)))
		park_interrupt(th);
	return true;
}

/* Foreign threads: th_wait is their futex. */
static uint32_t *futex_of(struct thread *th)
{
	return (uint32_t *)(void *)&th->th_wait;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the state is in the first half of th_wait");

static void futex_sleep(struct thread *th, uint64_t seen, ell_time until)
{
	struct timespec ts = {.tv_sec = until / ELL_SEC, .tv_nsec = until % ELL_SEC};

	/* FUTEX_WAIT_BITSET takes an absolute time, on CLOCK_MONOTONIC. */
	sys.futex(futex_of(th), FUTEX_WAIT_BITSET_PRIVATE, (uint32_t)seen, until == ELL_FOREVER ? NULL : &ts,
		  FUTEX_BITSET_MATCH_ANY);
}

/* Is a sleep with NUMBER under an upcall, and not over? Then it ends as STATE: *ENDED. False: look at th_wait again. */
COLD static bool end_outer(struct thread *th, uint64_t number, enum park_state state, uint64_t seen, bool *ended)
{
	bool certain;

	*ended = false;
	lock_acquire(&th->th_outer_lock);
	for (uint32_t i = 0; i < th->th_outer_count; i++) {
		if (th->th_outer[i] == (number << STATE_BITS | ARMED)) {
			th->th_outer[i] = number << STATE_BITS | state;
			*ended = true;
		}
	}
	certain = *ended || load_acquire(&th->th_wait) == seen;
	lock_release(&th->th_outer_lock);
	return certain;
}

/* The sleep NUMBER is not the one in SEEN, or over there: the same. */
static bool end_elsewhere(struct thread *th, uint64_t number, enum park_state state, uint64_t seen, bool *ended)
{
	*ended = false;
	/* ORD outer-1: pairs with ORD outer-2 */
	if (UNLIKELY(load_acquire(&th->th_outer_count)))
		return end_outer(th, number, state, seen, ended);
	return load_acquire(&th->th_wait) == seen;
}

/* Where it may be stopped, as if it were at depth 0: see sched/interrupt.c. */
static void futex_sleep_open(struct thread *th, uint64_t seen, ell_time until)
{
	store_relaxed(&th->th_futex, true);
	__asm__ volatile("" ::: "memory");
	/* A kick that came before that has only left a note for the end of the stretch, behind the sleep. */
	interrupt_point();
	futex_sleep(th, seen, until);
	__asm__ volatile("" ::: "memory");
	store_relaxed(&th->th_futex, false);
}

/* Ends the sleep TICKET as STATE: true if this call did it. */
static bool end_sleep(park_ticket ticket, enum park_state state, enum ready_where where)
{
	struct thread *th = thread_of(ticket);
	uint64_t number = number_of(ticket);
	uint64_t wait = load_acquire(&th->th_wait);
	bool ended;

	for (;;) {
		switch (wait >> STATE_BITS == number ? wait & STATE_MASK : AWAKE) {
		case ARMED:
			/* ORD park-1: pairs with ORD park-2 */
			if (cas_acq_rel(&th->th_wait, &wait, (wait & ~STATE_MASK) | state))
				return true;
			break;
		case PARKED:
			/* ORD park-4: pairs with ORD park-3 */
			if (!cas_acq_rel(&th->th_wait, &wait, (wait & ~STATE_MASK) | state))
				break;
			if (load_relaxed(&th->th_kind) == THREAD_FOREIGN)
				sys.futex(futex_of(th), FUTEX_WAKE_PRIVATE, 1, NULL, 0);
			else
				sched_ready(th, where);
			return true;
		default:
			if (end_elsewhere(th, number, state, wait, &ended))
				return ended;
			wait = load_acquire(&th->th_wait);
		}
	}
}

bool park_interrupt(struct thread *th)
{
	uint64_t wait = load_acquire(&th->th_wait);

	while ((wait & STATE_MASK) == PARKED) {
		if (!load_relaxed(&th->th_open))
			return false;
		/*
		 * ORD park-4: pairs with ORD park-3. Whoever ends the sleep meanwhile finds ARMED, and need not queue
		 * it.
		 */
		if (cas_acq_rel(&th->th_wait, &wait, (wait & ~STATE_MASK) | ARMED)) {
			sched_ready_from_handler(th);
			return true;
		}
	}
	return false;
}

/* The sleep NUMBER of TH, the caller, goes aside: false if it is over. */
static bool put_aside(struct thread *th, uint64_t number)
{
	uint32_t i;
	bool done;

	lock_acquire(&th->th_outer_lock);
	i = th->th_outer_count;
	th->th_outer[i] = number << STATE_BITS | ARMED;
	th->th_outer_at[i] = __builtin_frame_address(0);
	/* ORD outer-2: pairs with ORD outer-1: who finds th_wait without it finds it here. */
	store_release(&th->th_outer_count, i + 1);
	done = end_armed(th, number);
	if (!done)
		store_release(&th->th_outer_count, i);
	lock_release(&th->th_outer_lock);
	return done;
}

/* It is the innermost again. */
static void take_back(struct thread *th, uint64_t number)
{
	lock_acquire(&th->th_outer_lock);
	while (th->th_outer[th->th_outer_count - 1] >> STATE_BITS != number)
		th->th_outer_count--;
	store_release(&th->th_wait, th->th_outer[th->th_outer_count - 1]);
	/* ORD outer-2: pairs with ORD outer-1 */
	store_release(&th->th_outer_count, th->th_outer_count - 1);
	lock_release(&th->th_outer_lock);
}

static void sleep_foreign(struct thread *th, ell_time until)
{
	if (!park_settle(th))
		return;
	for (;;) {
		uint64_t wait = load_acquire(&th->th_wait);

		if ((wait & STATE_MASK) != PARKED)
			return;
		if (until != ELL_FOREVER && ell_now() >= until &&
		    cas_acq_rel(&th->th_wait, &wait, (wait & ~STATE_MASK) | EXPIRED))
			return;
		if ((wait & STATE_MASK) == PARKED)
			futex_sleep_open(th, wait, until);
	}
}

static void sleep_user(struct thread *th, ell_time until)
{
	if (until != ELL_FOREVER)
		deadline_set(th, until);
	th->th_leave = LEAVE_PARK;
	sched_leave(th);
	if (until != ELL_FOREVER)
		deadline_clear(th);
}

/* Functions that have slept, and were left by longjmp() out of an upcall: their sleeps are over. */
static void forget_left(struct thread *th)
{
	const char *here = __builtin_frame_address(0);

	if (here < th->th_stack_low || here >= th->th_stack_high)
		return;
	lock_acquire(&th->th_outer_lock);
	while (th->th_outer_count > 0 && th->th_outer_at[th->th_outer_count - 1] < here &&
	       th->th_outer_at[th->th_outer_count - 1] >= th->th_stack_low)
		store_release(&th->th_outer_count, th->th_outer_count - 1);
	lock_release(&th->th_outer_lock);
}

/* May an upcall run in a sleep of TH, the caller, that is announced? */
static bool is_open(struct thread *th)
{
	if (!guard_depth_is(1) || th->th_kind == THREAD_FOREIGN)
		return false;
	if (UNLIKELY(th->th_outer_count))
		forget_left(th);
	return th->th_outer_count < THREAD_OUTER_MAX;
}

/* What is wanted of TH runs, in the middle of its sleep NUMBER. */
COLD static void run_in_sleep(struct thread *th, uint64_t number)
{
	if (!put_aside(th, number))
		return;
	ell_critical_self.cr_due = 1;
	guard_leave();
	guard_enter();
	take_back(th, number);
}

/* Sleeps until the sleep is over, or somebody interrupts it: th_wait. */
static uint64_t sleep_once(struct thread *th, enum park_why why, ell_time until)
{
	store_relaxed(&th->th_why, (uint8_t)why);
	if (UNLIKELY(th->th_kind == THREAD_FOREIGN))
		sleep_foreign(th, until);
	else
		sleep_user(th, until);
	store_relaxed(&th->th_why, PARK_NOT);
	return load_acquire(&th->th_wait); /* ORD park-2: pairs with ORD park-1 */
}

enum park_end park_commit_open(park_ticket ticket, enum park_why why, ell_time until, bool open)
{
	struct thread *th = thread_of(ticket);
	uint64_t wait = load_acquire(&th->th_wait); /* ORD park-2: pairs with ORD park-1 */
	enum park_end end;

	store_relaxed(&th->th_open, is_open(th));
	while ((wait & STATE_MASK) == ARMED) {
		if (until != ELL_FOREVER && until <= ell_now() && park_cancel(ticket))
			return PARK_EXPIRED;
		if (UNLIKELY(load_acquire(&th->th_wanted)) && th->th_open) {
			if (open && end_armed(th, number_of(ticket))) {
				ell_critical_self.cr_due = 1;
				guard_leave();
				return PARK_INTERRUPTED;
			}
			run_in_sleep(th, number_of(ticket));
			store_relaxed(&th->th_open, true);
			wait = load_acquire(&th->th_wait); /* ORD park-2: pairs with ORD park-1 */
			if ((wait & STATE_MASK) != ARMED)
				break;
		}
		wait = sleep_once(th, why, until);
	}
	ASSERT((wait & STATE_MASK) == WOKEN || (wait & STATE_MASK) == EXPIRED);
	end = (wait & STATE_MASK) == WOKEN ? PARK_WOKEN : PARK_EXPIRED;
	store_relaxed(&th->th_wait, wait & ~STATE_MASK);
	guard_leave();
	return end;
}

bool park_commit(park_ticket ticket, enum park_why why, ell_time until)
{
	return park_commit_open(ticket, why, until, false) == PARK_WOKEN;
}

bool park_unpark(park_ticket ticket)
{
	return end_sleep(ticket, WOKEN, READY_LAST);
}

bool park_unpark_next(park_ticket ticket)
{
	return end_sleep(ticket, WOKEN, READY_NEXT);
}

bool park_unpark_here(park_ticket ticket)
{
	struct thread *th = thread_of(ticket);
	uint64_t wait = load_acquire(&th->th_wait);
	const struct vcpu *home;

	/* One that is not asleep yet finds its wake-up itself, at a time and on an LWP of its own. */
	if (wait >> STATE_BITS != number_of(ticket) || (wait & STATE_MASK) != PARKED ||
	    load_relaxed(&th->th_kind) == THREAD_FOREIGN)
		return false;
	if (UNLIKELY(!vcpu_self()))
		return false;
	home = load_relaxed(&th->th_vcpu);
	if (home ? home != vcpu_self() : runtime.rt_migrate)
		return false;
	/* ORD park-4: pairs with ORD park-3 */
	if (!cas_acq_rel(&th->th_wait, &wait, (wait & ~STATE_MASK) | WOKEN))
		return false;
	sched_ready(th, READY_HERE);
	return true;
}

void park_expire(park_ticket ticket)
{
	end_sleep(ticket, EXPIRED, READY_LAST);
}
