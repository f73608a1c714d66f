/* SPDX-License-Identifier: BSD-2-Clause */
/* mutex_test.c - what <ellula/sync.h> promises of a mutex */
#include <errno.h>
#include <string.h>

#include "sync/crew.h"

static struct ell_mutex mutex;
static struct crew crew;
static uint64_t counter;
static unsigned order[CREW_MAX];
static unsigned arrived;

/*
 * Errors
 */

static void all_zero_is_a_free_mutex(void)
{
	static const struct ell_mutex zero;
	struct ell_mutex made = ELL_MUTEX_INIT;

	CHECK_EQ(memcmp(&made, &zero, sizeof(zero)), 0);
	memset(&made, 0x55, sizeof(made));
	ell_mutex_init(&made);
	CHECK_EQ(memcmp(&made, &zero, sizeof(zero)), 0);
	CHECK_EQ(ell_mutex_lock(&made), 0);
	CHECK_EQ(ell_mutex_unlock(&made), 0);
	CHECK_EQ(memcmp(&made, &zero, sizeof(zero)), 0);
}

static void locking_twice_gives_EDEADLK(void)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_mutex_lock(&mutex), EDEADLK);
	CHECK_EQ(ell_mutex_lock_until(&mutex, 0), EDEADLK);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), EPERM);
}

static void unlock_others(struct hand *hand)
{
	(void)hand;
	CHECK_EQ(ell_mutex_unlock(&mutex), EPERM);
	CHECK_EQ(ell_mutex_trylock(&mutex), EBUSY);
}

static void a_mutex_is_its_owners_alone(void)
{
	CHECK_EQ(ell_mutex_unlock(&mutex), EPERM);
	CHECK_EQ(ell_mutex_trylock(&mutex), 0);
	CHECK_EQ(ell_mutex_trylock(&mutex), EBUSY);
	crew_start(&crew, 1, 1, unlock_others);
	crew_join(&crew);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void finishing_a_locked_mutex_gives_EBUSY(void)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_mutex_finish(&mutex), EBUSY);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	CHECK_EQ(ell_mutex_finish(&mutex), 0);
}

/*
 * Order and hand-off
 */

static void lock_and_note(struct hand *hand)
{
	WAIT_FOR(WAITERS(mutex.mx_waiters) == hand->index);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	order[arrived++] = hand->index;
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void waiters_get_it_in_the_order_in_which_they_came(void)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	crew_start(&crew, 6, 2, lock_and_note);
	WAIT_FOR(WAITERS(mutex.mx_waiters) == crew.size);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	crew_join(&crew);
	for (unsigned i = 0; i < crew.size; i++)
		CHECK_EQ(order[i], i);
}

static void lock_once(struct hand *hand)
{
	(void)hand;
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	counter++;
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void unlock_makes_the_waiter_the_owner_at_once(void)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	crew_start(&crew, 1, 0, lock_once);
	WAIT_FOR(WAITERS(mutex.mx_waiters) == 1);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	/* Nobody comes between, so this waits until the other has had it. */
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(counter, 1);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	crew_join(&crew);
}

/*
 * Deadlines
 */

static void a_deadline_in_the_past_still_tries_once(void)
{
	CHECK_EQ(ell_mutex_lock_until(&mutex, 0), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void lock_late(struct hand *hand)
{
	ell_time until = hand->index % 2 ? 0 : ell_after(2 * ELL_MSEC);

	CHECK_EQ(ell_mutex_lock_until(&mutex, until), ETIMEDOUT);
	CHECK(ell_now() >= until);
}

static void who_gives_up_leaves_no_trace(void)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	crew_start(&crew, 2, 2, lock_late);
	crew_join(&crew);
	CHECK_EQ(mutex.mx_owner, ell_self());
	CHECK_EQ(WAITERS(mutex.mx_waiters), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	CHECK_EQ(mutex.mx_owner, 0);
}

static void lock_some_late(struct hand *hand)
{
	bool late = hand->index % 3 == 1;

	WAIT_FOR(WAITERS(mutex.mx_waiters) == hand->index);
	if (ell_mutex_lock_until(&mutex, late ? ell_after(100 * ELL_MSEC) : ELL_FOREVER)) {
		CHECK(late);
		return;
	}
	CHECK(!late);
	order[arrived++] = hand->index;
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void who_gives_up_does_not_change_the_order_of_the_others(void)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	crew_start(&crew, 7, 0, lock_some_late);
	WAIT_FOR(WAITERS(mutex.mx_waiters) == 7);
	WAIT_FOR(WAITERS(mutex.mx_waiters) == 5);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	crew_join(&crew);
	CHECK_EQ(arrived, 5);
	for (unsigned i = 0, expect = 0; i < 5; i++, expect++) {
		expect += expect % 3 == 1;
		CHECK_EQ(order[i], expect);
	}
}

/*
 * Many at once
 */

enum { ROUNDS = 120000, HANDS = 8 };

static void count_under_it(struct hand *hand)
{
	for (unsigned i = 0; i < ROUNDS / HANDS; i++) {
		CHECK_EQ(ell_mutex_lock(&mutex), 0);
		counter++;
		if (crew_random(hand, 64) == 0)
			ell_yield();
		CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	}
}

static void count_it(void)
{
	crew_start(&crew, HANDS / 2, HANDS / 2, count_under_it);
	crew_join(&crew);
	CHECK_EQ(counter, ROUNDS);
	CHECK_EQ(mutex.mx_owner, 0);
}

static void only_one_at_a_time_has_it_on_one_vcpu(void)
{
	crew_run(1, count_it);
}

static void only_one_at_a_time_has_it_on_two_vcpus(void)
{
	crew_run(2, count_it);
}

static uint64_t had_it, gave_up;

/* Deadlines of about the time that a hand-off takes, so that many pass while the hand-off is under way. */
static void count_with_deadlines(struct hand *hand)
{
	uint64_t had = 0;
	uint64_t late = 0;

	for (unsigned i = 0; i < ROUNDS / HANDS; i++) {
		int rc = ell_mutex_lock_until(&mutex, ell_after(crew_random(hand, 60) * ELL_USEC));

		if (rc) {
			CHECK_EQ(rc, ETIMEDOUT);
			late++;
			continue;
		}
		had++;
		counter++;
		if (crew_random(hand, 4) == 0)
			ell_yield();
		CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	}
	fetch_add_relaxed(&had_it, had);
	fetch_add_relaxed(&gave_up, late);
}

static void race_deadlines(void)
{
	crew_start(&crew, HANDS / 2, HANDS / 2, count_with_deadlines);
	crew_join(&crew);
	NOTE("%llu had it, %llu gave up", (unsigned long long)had_it, (unsigned long long)gave_up);
	CHECK_EQ(counter, had_it);
	CHECK_EQ(had_it + gave_up, ROUNDS);
	CHECK_CAME(had_it > 0 && gave_up > 0);
	CHECK_EQ(mutex.mx_owner, 0);
	CHECK_EQ(WAITERS(mutex.mx_waiters), 0);
}

static void deadlines_that_race_with_unlock_lose_no_count(void)
{
	crew_run(2, race_deadlines);
}

/*
 * Lifetime: an object with a mutex and a count of its users, freed by who unlocks it last, as in POSIX's rationale. The
 * memory is overwritten then, and must stay so. Each pair of hands has objects of its own: one holds the mutex about as
 * long as the other is willing to wait, so that unlock often finds a waiter that is about to give up.
 */
enum { PAIRS = 2, OBJECTS = 25000, POISON = 0xa5 };

struct object {
	struct ell_mutex mutex;
	unsigned users;
	unsigned held;
};

static struct object objects[PAIRS][OBJECTS];

/* Each is a chance for the error to show; where time passes slowly, a few say that nothing else is wrong. */
static unsigned object_count(void)
{
	return harness_emulated() ? OBJECTS / 100 : OBJECTS;
}

static void leave(struct object *o)
{
	bool last = ++o->users == 2;

	CHECK_EQ(ell_mutex_unlock(&o->mutex), 0);
	if (last)
		memset(o, POISON, sizeof(*o));
}

static void use_and_free(struct hand *hand)
{
	bool first = hand->index < PAIRS;
	ell_time until, patience;

	for (unsigned i = 0; i < object_count(); i++) {
		struct object *o = &objects[hand->index % PAIRS][i];

		if (first) {
			CHECK_EQ(ell_mutex_lock(&o->mutex), 0);
			store_release(&o->held, 1);
			WAIT_FOR(WAITERS(o->mutex.mx_waiters) == 1);
			until = ell_after(crew_random(hand, 30) * ELL_USEC);
			WAIT_FOR(ell_now() >= until);
		} else {
			WAIT_FOR(load_acquire(&o->held));
			/* A slow machine needs longer than that to come to wait at all. */
			patience = 15 * ELL_USEC;
			WAIT_FOR(ell_mutex_lock_until(&o->mutex, ell_after(patience += patience / 8)) == 0);
		}
		leave(o);
	}
}

static void free_by_the_last(void)
{
	crew_start(&crew, PAIRS, PAIRS, use_and_free);
	crew_join(&crew);
	for (size_t pair = 0; pair < PAIRS; pair++)
		for (size_t i = 0; i < object_count() * sizeof(struct object); i++)
			CHECK_EQ(((unsigned char *)objects[pair])[i], POISON);
}

static void a_mutex_may_be_freed_by_who_unlocks_it_last(void)
{
	crew_run(2, free_by_the_last);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(all_zero_is_a_free_mutex, HARNESS_IN_RUN),
		HARNESS_CASE(locking_twice_gives_EDEADLK, HARNESS_IN_RUN),
		HARNESS_CASE(a_mutex_is_its_owners_alone, HARNESS_IN_RUN),
		HARNESS_CASE(finishing_a_locked_mutex_gives_EBUSY, HARNESS_IN_RUN),
		HARNESS_CASE(waiters_get_it_in_the_order_in_which_they_came, HARNESS_IN_RUN),
		HARNESS_CASE(unlock_makes_the_waiter_the_owner_at_once, HARNESS_IN_RUN),
		HARNESS_CASE(a_deadline_in_the_past_still_tries_once, HARNESS_IN_RUN),
		HARNESS_CASE(who_gives_up_leaves_no_trace, HARNESS_IN_RUN),
		HARNESS_CASE(who_gives_up_does_not_change_the_order_of_the_others, HARNESS_IN_RUN),
		HARNESS_CASE(only_one_at_a_time_has_it_on_one_vcpu),
		HARNESS_CASE(only_one_at_a_time_has_it_on_two_vcpus),
		HARNESS_CASE(deadlines_that_race_with_unlock_lose_no_count),
		HARNESS_CASE(a_mutex_may_be_freed_by_who_unlocks_it_last),
	};

	return harness_run("mutex", cases, ARRAY_SIZE(cases), argc, argv);
}
