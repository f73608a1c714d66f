/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer.c - the timer wheel of a vCPU
 *
 * Purpose: deadlines of waits and messages of the time class. Most are disarmed before they expire, so that arming and
 * disarming cost a list operation each, and the kernel hears of one point in time per LWP only: the end of its sleep.
 *
 * Words: a tick is 2^14 ns, 16 us. Level L of the wheel has 64 slots of 64^L ticks each. A timer stands in the level of
 * the highest group of 6 bits in which its tick differs from wh_now, in the slot that these 6 bits name. So a slot of
 * level 0 holds timers of one tick; and when wh_now enters the range of a slot of a higher level, its timers move down
 * to where they now belong, at most once per level.
 *
 * A deadline is rounded up to a tick: a timer never expires early, and at most one tick plus the LWP's own delay late.
 *
 * Ownership: the owning vCPU expires. Anybody may arm and disarm, hence the lock; it is held for a few instructions. An
 * expired timer is taken off, its tm_what copied, and the function called without the lock: it may arm and disarm as it
 * likes, and the memory of the timer is not touched after that. So a user for whom timer_stop() returns false may reuse
 * the memory.
 *
 * Who arms the same timer again and again for later and later, as a thread with a deadline on each of its waits, need
 * not: it leaves the timer armed (timer_covers()), and wh_due() finds out, when the time has come, for when it is meant
 * by then.
 *
 * Rejected: a heap (a cache miss per level of it, on each of a million deadlines that never expire); a time-out of the
 * kernel per message (a system call's work each, and a completion to be waited for after the cancel).
 */
#include "sched/timer.h"

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "base/panic.h"

enum { TICK_SHIFT = 14, BATCH = 32, MOVES = 256 };

#define TICK_MAX ((uint64_t)INT64_MAX >> TICK_SHIFT)

static uint64_t tick_after(ell_time when)
{
	if (when <= 0)
		return 0;
	return ((uint64_t)when + (1 << TICK_SHIFT) - 1) >> TICK_SHIFT;
}

void wheel_init(struct wheel *wh, ell_time now)
{
	*wh = (struct wheel){.wh_now = (uint64_t)now >> TICK_SHIFT, .wh_next = UINT64_MAX};
}

static unsigned level_of(const struct wheel *wh, uint64_t tick)
{
	uint64_t differ = tick ^ wh->wh_now;

	return differ < WHEEL_SLOTS ? 0 : (unsigned)(63 - __builtin_clzll(differ)) / WHEEL_BITS;
}

/* The first tick of the slot in which TICK stands. */
static uint64_t slot_start(uint64_t tick, unsigned level)
{
	return tick >> (level * WHEEL_BITS) << (level * WHEEL_BITS);
}

static void insert_locked(struct wheel *wh, struct timer *tm)
{
	unsigned level = level_of(wh, tm->tm_tick);
	unsigned slot = tm->tm_tick >> (level * WHEEL_BITS) & (WHEEL_SLOTS - 1);
	struct timer **head = &wh->wh_slots[level][slot];
	uint64_t due = slot_start(tm->tm_tick, level);

	tm->tm_next = *head;
	tm->tm_where = head;
	if (tm->tm_next)
		tm->tm_next->tm_where = &tm->tm_next;
	*head = tm;
	wh->wh_filled[level] |= UINT64_C(1) << slot;
	if (due < wh->wh_next)
		store_relaxed(&wh->wh_next, due);
}

static void remove_locked(struct wheel *wh, struct timer *tm)
{
	struct timer **const slots = (struct timer **)(void *)wh->wh_slots; /* all levels, one behind the other */
	struct timer **where = tm->tm_where;

	*where = tm->tm_next;
	if (tm->tm_next) {
		tm->tm_next->tm_where = where;
	} else if (where >= slots && where < slots + (size_t)WHEEL_LEVELS * WHEEL_SLOTS) {
		size_t at = (size_t)(where - slots);

		wh->wh_filled[at / WHEEL_SLOTS] &= ~(UINT64_C(1) << at % WHEEL_SLOTS);
	}
	tm->tm_where = NULL;
}

void timer_start_locked(struct wheel *wh, struct timer *tm, ell_time when, uint64_t what)
{
	ASSERT(!tm->tm_where);
	tm->tm_tick = tick_after(when);
	if (tm->tm_tick <= wh->wh_now)
		tm->tm_tick = wh->wh_now + 1;
	if (tm->tm_tick > TICK_MAX)
		tm->tm_tick = TICK_MAX;
	tm->tm_what = what;
	wh->wh_count++;
	insert_locked(wh, tm);
}

void timer_start(struct wheel *wh, struct timer *tm, ell_time when, uint64_t what)
{
	lock_acquire(&wh->wh_lock);
	timer_start_locked(wh, tm, when, what);
	lock_release(&wh->wh_lock);
}

bool timer_stop(struct wheel *wh, struct timer *tm)
{
	bool armed;

	lock_acquire(&wh->wh_lock);
	armed = tm->tm_where != NULL;
	if (armed) {
		remove_locked(wh, tm);
		wh->wh_count--;
	}
	lock_release(&wh->wh_lock);
	return armed;
}

bool timer_covers(struct wheel *wh, struct timer *tm, ell_time when)
{
	bool covers;

	lock_acquire(&wh->wh_lock);
	covers = tm->tm_where && tm->tm_tick <= tick_after(when);
	if (tm->tm_where && !covers) {
		remove_locked(wh, tm);
		wh->wh_count--;
	}
	lock_release(&wh->wh_lock);
	return covers;
}

/*
 * The first tick at which something is to be done. Slots are never behind wh_now, and whatever stands in a level comes
 * before all of the next, which differs from wh_now in a higher group of bits.
 */
static uint64_t earliest_locked(const struct wheel *wh)
{
	if (wh->wh_moving)
		return wh->wh_now;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		unsigned shift = level * WHEEL_BITS;

		if (wh->wh_filled[level]) {
			uint64_t slot = (uint64_t)__builtin_ctzll(wh->wh_filled[level]);

			return slot_start(wh->wh_now, level + 1) | slot << shift;
		}
	}
	return UINT64_MAX;
}

/* Takes the list at *HEAD to *TO. */
static void take_list(struct timer **head, struct timer **to)
{
	*to = *head;
	*head = NULL;
	if (*to)
		(*to)->tm_where = to;
}

/* Moves up to LIMIT timers of a higher level to where they belong: false if some are left. */
static bool move_down_locked(struct wheel *wh, unsigned limit)
{
	while (wh->wh_moving && limit--) {
		struct timer *tm = wh->wh_moving;

		remove_locked(wh, tm);
		insert_locked(wh, tm);
	}
	return !wh->wh_moving;
}

/* Makes TICK, the earliest, the present; begins to empty its slot if that is of a higher level. */
static void advance_locked(struct wheel *wh, uint64_t tick)
{
	wh->wh_now = tick;
	for (unsigned level = 1; level < WHEEL_LEVELS; level++) {
		unsigned slot = tick >> (level * WHEEL_BITS) & (WHEEL_SLOTS - 1);

		if (wh->wh_filled[level] & UINT64_C(1) << slot) {
			wh->wh_filled[level] &= ~(UINT64_C(1) << slot);
			take_list(&wh->wh_slots[level][slot], &wh->wh_moving);
			return;
		}
	}
}

/* Takes TM, which is due, off: true, and *WHAT is to be told; or false, and it may be armed again. */
static bool expire_locked(struct wheel *wh, struct timer *tm, uint64_t limit, uint64_t *what)
{
	ell_time again;

	remove_locked(wh, tm);
	*what = tm->tm_what;
	again = wh->wh_due ? wh->wh_due(what, (ell_time)(limit << TICK_SHIFT)) : 0;
	if (again == 0 || again == ELL_FOREVER) {
		wh->wh_count--;
		return again == 0;
	}
	tm->tm_tick = tick_after(again) > limit ? tick_after(again) : limit + 1;
	insert_locked(wh, tm);
	return false;
}

/*
 * Takes up to BATCH due timers off and copies their tm_what: *MORE says whether there is more to do now.
 */
static unsigned collect_locked(struct wheel *wh, uint64_t limit, uint64_t what[BATCH], bool *more)
{
	unsigned n = 0;
	uint64_t tick;

	*more = true;
	if (!move_down_locked(wh, MOVES))
		return 0;
	while ((tick = earliest_locked(wh)) <= limit) {
		struct timer **head = &wh->wh_slots[0][tick & (WHEEL_SLOTS - 1)];

		if (!*head || (*head)->tm_tick != tick) {
			advance_locked(wh, tick);
			if (!move_down_locked(wh, MOVES))
				return n;
			continue;
		}
		wh->wh_now = tick;
		while (*head) {
			if (n == BATCH)
				return n;
			n += expire_locked(wh, *head, limit, &what[n]);
		}
	}
	/* Time has passed for what comes next, too: else it would stand too high, and move down again. */
	if (wh->wh_now < limit)
		wh->wh_now = limit;
	*more = false;
	return n;
}

ell_time timer_run(struct wheel *wh, ell_time now, void (*fn)(uint64_t what))
{
	uint64_t limit = (uint64_t)now >> TICK_SHIFT;
	uint64_t what[BATCH];
	bool more = true;

	if (load_relaxed(&wh->wh_next) > limit && limit - wh->wh_now < WHEEL_SLOTS)
		return timer_next(wh);
	while (more) {
		unsigned n;

		lock_acquire(&wh->wh_lock);
		n = collect_locked(wh, limit, what, &more);
		store_relaxed(&wh->wh_next, earliest_locked(wh));
		lock_release(&wh->wh_lock);
		for (unsigned i = 0; i < n; i++)
			fn(what[i]);
	}
	return timer_next(wh);
}

/* Moves the timers of the list at *HEAD that are WANTED to the chain at *TAKEN. */
static void take_wanted_locked(struct wheel *wh, struct timer **head, bool (*wanted)(uint64_t what),
			       struct timer **taken)
{
	struct timer *next;

	for (struct timer *tm = *head; tm; tm = next) {
		next = tm->tm_next;
		if (!wanted(tm->tm_what))
			continue;
		remove_locked(wh, tm);
		wh->wh_count--;
		tm->tm_next = *taken;
		*taken = tm;
	}
}

struct timer *timer_take_all(struct wheel *wh, bool (*wanted)(uint64_t what))
{
	struct timer *taken = NULL;

	lock_acquire(&wh->wh_lock);
	take_wanted_locked(wh, &wh->wh_moving, wanted, &taken);
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			take_wanted_locked(wh, &wh->wh_slots[level][slot], wanted, &taken);
	}
	lock_release(&wh->wh_lock);
	return taken;
}

ell_time timer_next(const struct wheel *wh)
{
	uint64_t tick = load_relaxed(&wh->wh_next);

	return tick >= TICK_MAX ? ELL_FOREVER : (ell_time)(tick << TICK_SHIFT);
}
