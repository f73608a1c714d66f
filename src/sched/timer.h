/* SPDX-License-Identifier: BSD-2-Clause */
/* timer.h - the timer wheel of a vCPU */
#ifndef SCHED_TIMER_H
#define SCHED_TIMER_H

#include <ellula/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 9 };

/*
 * A timer, in memory of its user's. It fits in a message's ms_scratch. All zero is a timer that is not armed.
 * All fields: under the wheel's lock.
 */
struct timer {
	struct timer *tm_next;
	struct timer **tm_where; /* what points to it; NULL: not armed */
	uint64_t tm_tick;	 /* when */
	uint64_t tm_what;	 /* for the function that is called */
};

struct wheel {
	/*
	 * Asked of each timer that comes due at NOW, with its tm_what: 0, call the function, with *WHAT; ELL_FOREVER,
	 * forget it; or another time, until which it stays armed. Called with the lock. NULL: all are to be called.
	 */
	ell_time (*wh_due)(uint64_t *what, ell_time now);
	uint32_t wh_lock;
	uint64_t wh_now;	 /* ticks; what is not later has been called */
	uint64_t wh_count;	 /* armed */
	uint64_t wh_next;	 /* no timer is due before this tick; read without the lock by the owner */
	struct timer *wh_moving; /* taken off a higher level, not yet where they belong */
	uint64_t wh_filled[WHEEL_LEVELS];
	struct timer *wh_slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wh, ell_time now);

/*
 * Arms TM for WHEN with WHAT for the expiry function. O(1). Who does so from elsewhere than the LWP that runs the wheel
 * wakes that afterwards. Context: T V F. Locks: the wheel's.
 */
void timer_start(struct wheel *wh, struct timer *tm, ell_time when, uint64_t what);
void timer_start_locked(struct wheel *wh, struct timer *tm, ell_time when, uint64_t what);

/*
 * Disarms TM: true, or false if it has expired (its function is called, was, or will be at once). O(1).
 * Context: T V F. Locks: the wheel's.
 */
bool timer_stop(struct wheel *wh, struct timer *tm);

/*
 * Is TM armed for WHEN or before? If it is for later, it is disarmed. Context: T F. Locks: the wheel's.
 */
bool timer_covers(struct wheel *wh, struct timer *tm, ell_time when);

/*
 * Disarms all timers whose tm_what WANTED likes: a chain, by tm_next. Their functions are not called; for who stops one
 * it has expired. Context: T V, on the LWP of the wheel. Locks: the wheel's.
 */
struct timer *timer_take_all(struct wheel *wh, bool (*wanted)(uint64_t what));

/*
 * Calls FN for all that is due, without the lock; returns when the next one may be due, or ELL_FOREVER. FN may come
 * here again. Context: V T, on the LWP of the wheel.
 */
ell_time timer_run(struct wheel *wh, ell_time now, void (*fn)(uint64_t what));

/* The same without calling anything: when must the vCPU be awake? May be early, never late. Context: V. */
ell_time timer_next(const struct wheel *wh);

#endif
