/* SPDX-License-Identifier: BSD-2-Clause */
/* cond_test.c - what <ellula/sync.h> promises of a condition variable */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "sync/crew.h"

static struct ell_mutex mutex;
static struct ell_mutex other;
static struct ell_cond cond;
static struct crew crew;
static unsigned order[CREW_MAX];
static unsigned arrived;

/*
 * Errors
 */

static void all_zero_is_a_condition(void)
{
	static const struct ell_cond zero;
	struct ell_cond made = ELL_COND_INIT;

	CHECK_EQ(memcmp(&made, &zero, sizeof(zero)), 0);
	memset(&made, 0x55, sizeof(made));
	ell_cond_init(&made);
	CHECK_EQ(memcmp(&made, &zero, sizeof(zero)), 0);
	CHECK_EQ(ell_cond_signal(&made), 0);
	CHECK_EQ(ell_cond_broadcast(&made), 0);
	CHECK_EQ(ell_cond_finish(&made), 0);
}

static void waiting_without_the_mutex_gives_EPERM(void)
{
	CHECK_EQ(ell_cond_wait(&cond, &mutex), EPERM);
	CHECK_EQ(ell_cond_wait_until(&cond, &mutex, 0), EPERM);
}

/* How many wait for the mutex. */
static unsigned queued(void)
{
	return WAITERS(mutex.mx_waiters) + (load_relaxed(&mutex.mx_heir) != NULL);
}

/* Locks: mutex held, but others read ARRIVED without it. */
static void note(unsigned what)
{
	order[arrived] = what;
	count_up(&arrived, 1u);
}

/* Waits once, and notes when it has come back. */
static void wait_and_note(struct hand *hand)
{
	WAIT_FOR(WAITERS(cond.cv_waiters) == hand->index);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_cond_wait(&cond, &mutex), 0);
	CHECK_EQ(ell_mutex_trylock(&mutex), EBUSY);
	note(hand->index);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void start_waiters(unsigned users, unsigned foreigners)
{
	crew_start(&crew, users, foreigners, wait_and_note);
	WAIT_FOR(WAITERS(cond.cv_waiters) == crew.size);
	/* The last one has released it, too. */
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void waiting_with_two_mutexes_gives_EINVAL(void)
{
	start_waiters(1, 0);
	CHECK_EQ(ell_mutex_lock(&other), 0);
	CHECK_EQ(ell_cond_wait(&cond, &other), EINVAL);
	CHECK_EQ(ell_mutex_trylock(&other), EBUSY);
	CHECK_EQ(ell_cond_signal(&cond), 0);
	crew_join(&crew);
	/* Now nobody waits, so it may be any mutex. */
	CHECK_EQ(ell_cond_wait_until(&cond, &other, 0), ETIMEDOUT);
	CHECK_EQ(ell_mutex_unlock(&other), 0);
}

static void finishing_with_waiters_gives_EBUSY(void)
{
	start_waiters(0, 1);
	CHECK_EQ(ell_cond_finish(&cond), EBUSY);
	CHECK_EQ(ell_cond_signal(&cond), 0);
	crew_join(&crew);
	CHECK_EQ(ell_cond_finish(&cond), 0);
}

/*
 * Order and hand-off
 */

static void each_signal_wakes_the_oldest(void)
{
	start_waiters(5, 3);
	for (unsigned i = 0; i < crew.size; i++) {
		CHECK_EQ(ell_mutex_lock(&mutex), 0);
		CHECK_EQ(load_relaxed(&arrived), i);
		CHECK_EQ(ell_cond_signal(&cond), 0);
		CHECK_EQ(ell_mutex_unlock(&mutex), 0);
		WAIT_FOR(load_relaxed(&arrived) == i + 1);
	}
	crew_join(&crew);
	for (unsigned i = 0; i < crew.size; i++)
		CHECK_EQ(order[i], i);
}

static void expect_all_in_order(void)
{
	crew_join(&crew);
	CHECK_EQ(load_relaxed(&arrived), crew.size);
	for (unsigned i = 0; i < crew.size; i++)
		CHECK_EQ(order[i], i);
	CHECK_EQ(mutex.mx_owner, 0);
}

static void broadcast_wakes_all_in_order_with_the_mutex_locked(void)
{
	start_waiters(5, 3);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_cond_broadcast(&cond), 0);
	CHECK_EQ(WAITERS(cond.cv_waiters), 0);
	CHECK_EQ(queued(), crew.size);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	expect_all_in_order();
}

static void broadcast_wakes_all_in_order_with_the_mutex_free(void)
{
	start_waiters(5, 3);
	CHECK_EQ(ell_cond_broadcast(&cond), 0);
	expect_all_in_order();
}

static void broadcast_to_one_with_the_mutex_free(void)
{
	start_waiters(1, 0);
	CHECK_EQ(ell_cond_broadcast(&cond), 0);
	expect_all_in_order();
}

static void a_signalled_waiter_moves_to_the_locked_mutex(void)
{
	start_waiters(1, 0);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_cond_signal(&cond), 0);
	CHECK_EQ(WAITERS(cond.cv_waiters), 0);
	CHECK_EQ(queued(), 1);
	for (int i = 0; i < 10; i++)
		ell_yield();
	CHECK_EQ(load_relaxed(&arrived), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(load_relaxed(&arrived), 1);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	crew_join(&crew);
}

static void a_signalled_waiter_owns_the_free_mutex_at_once(void)
{
	start_waiters(1, 0);
	CHECK_EQ(ell_cond_signal(&cond), 0);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(load_relaxed(&arrived), 1);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	crew_join(&crew);
}

static void lock_and_note(struct hand *hand)
{
	WAIT_FOR(queued() == hand->index + 1);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	note(hand->index + 100);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void signalled_waiters_queue_with_those_who_lock(void)
{
	static struct crew lockers;

	start_waiters(2, 0);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_cond_signal(&cond), 0);
	crew_start(&lockers, 1, 1, lock_and_note);
	WAIT_FOR(queued() == 3);
	CHECK_EQ(ell_cond_signal(&cond), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	crew_join(&crew);
	crew_join(&lockers);
	CHECK_EQ(order[0], 0);
	CHECK_EQ(order[1], 100);
	CHECK_EQ(order[2], 101);
	CHECK_EQ(order[3], 1);
}

static void wait_in_time(struct hand *hand)
{
	WAIT_FOR(WAITERS(cond.cv_waiters) == hand->index);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_cond_wait_until(&cond, &mutex, hand->index % 2 ? ELL_FOREVER : ell_after(30 * ELL_SEC)), 0);
	note(hand->index);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

/* With a deadline or without, by ones or all, before and after somebody else queues for the mutex. */
static void signalled_waiters_keep_their_order(void)
{
	crew_start(&crew, 4, 4, wait_in_time);
	WAIT_FOR(WAITERS(cond.cv_waiters) == crew.size);
	for (unsigned i = 0; i < crew.size; i++) {
		CHECK_EQ(ell_mutex_lock(&mutex), 0);
		CHECK_EQ(ell_cond_signal(&cond), 0);
		i++;
		CHECK_EQ(ell_cond_signal(&cond), 0);
		if (i == 5) {
			CHECK_EQ(ell_cond_broadcast(&cond), 0);
			i = crew.size;
		}
		CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	}
	crew_join(&crew);
	for (unsigned i = 0; i < crew.size; i++)
		CHECK_EQ(order[i], i);
}

static void no_permit_and_no_lock_wakes_a_waiter(void)
{
	start_waiters(1, 0);
	CHECK_EQ(ell_unpark(crew.hands[0].thread), 0);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(ell_mutex_lock(&mutex), 0);
		CHECK_EQ(ell_mutex_unlock(&mutex), 0);
		ell_yield();
	}
	CHECK_EQ(load_relaxed(&arrived), 0);
	CHECK_EQ(ell_cond_signal(&cond), 0);
	crew_join(&crew);
}

/*
 * Deadlines
 */

static void a_deadline_gives_ETIMEDOUT_and_the_mutex(void)
{
	ell_time until = ell_after(3 * ELL_MSEC);

	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_cond_wait_until(&cond, &mutex, until), ETIMEDOUT);
	CHECK(ell_now() >= until);
	CHECK_EQ(ell_mutex_trylock(&mutex), EBUSY);
	CHECK_EQ(ell_cond_wait_until(&cond, &mutex, 0), ETIMEDOUT);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	CHECK_EQ(ell_cond_finish(&cond), 0);
	CHECK_EQ(ell_mutex_finish(&mutex), 0);
}

static void wait_late(struct hand *hand)
{
	WAIT_FOR(WAITERS(cond.cv_waiters) == hand->index);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_cond_wait_until(&cond, &mutex, ell_after(100 * ELL_MSEC)), 0);
	CHECK_EQ(ell_mutex_trylock(&mutex), EBUSY);
	note(hand->index);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

/* The deadline passes while the waiter is in the queue of the mutex. */
static void who_was_signalled_in_time_gets_no_ETIMEDOUT(void)
{
	crew_start(&crew, 2, 2, wait_late);
	WAIT_FOR(WAITERS(cond.cv_waiters) == 4);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_cond_signal(&cond), 0);
	CHECK_EQ(ell_cond_broadcast(&cond), 0);
	sleep_until(ell_after(150 * ELL_MSEC));
	CHECK_EQ(queued(), 4);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	expect_all_in_order();
}

/*
 * Many at once
 */

enum { TURNS = 100000 };

static unsigned turn;

static void take_turns(struct hand *hand)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	for (unsigned i = hand->index; i < TURNS; i += hand->crew->size) {
		while (turn != i)
			CHECK_EQ(ell_cond_wait(&cond, &mutex), 0);
		turn++;
		CHECK_EQ(hand->crew->size > 2 ? ell_cond_broadcast(&cond) : ell_cond_signal(&cond), 0);
	}
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void take_turns_of_two(void)
{
	crew_start(&crew, 2, 0, take_turns);
	crew_join(&crew);
	CHECK_EQ(turn, TURNS);
}

static void two_threads_take_turns_on_one_vcpu(void)
{
	crew_run(1, take_turns_of_two);
}

static void two_threads_take_turns_on_two_vcpus(void)
{
	crew_run(2, take_turns_of_two);
}

static void take_turns_with_a_foreigner(void)
{
	crew_start(&crew, 1, 1, take_turns);
	crew_join(&crew);
	CHECK_EQ(turn, TURNS);
}

static void a_thread_and_a_foreign_one_take_turns(void)
{
	crew_run(1, take_turns_with_a_foreigner);
}

static void take_turns_of_four(void)
{
	crew_start(&crew, 2, 2, take_turns);
	crew_join(&crew);
	CHECK_EQ(turn, TURNS);
}

static void a_broadcast_reaches_whose_turn_it_is(void)
{
	crew_run(2, take_turns_of_four);
}

/*
 * Each unit is signalled once. A waiter with a deadline that reports ETIMEDOUT goes away without looking at the units;
 * so a signal that it had swallowed would be missing, and one of the patient waiters would wait for ever.
 */
enum { UNITS = 100000, MAKERS = 2, PATIENT = 3, IMPATIENT = 4 };

static struct ell_cond gone; /* a unit has been taken */
static unsigned units, made, taken;
static uint64_t in_time, too_late;
static bool over;

/* Some give up, and come again: while they leave the queue, the owner may be handing the mutex to its heir. */
static void lock_somehow(struct hand *hand)
{
	ell_time until = crew_random(hand, 2) ? ELL_FOREVER : ell_after(crew_random(hand, 20) * ELL_USEC);

	if (ell_mutex_lock_until(&mutex, until))
		CHECK_EQ(ell_mutex_lock(&mutex), 0);
}

static void make(struct hand *hand)
{
	for (unsigned i = 0; i < UNITS / MAKERS; i++) {
		lock_somehow(hand);
		while (units >= 4)
			CHECK_EQ(ell_cond_wait(&gone, &mutex), 0);
		units++;
		made++;
		if (crew_random(hand, 2)) {
			CHECK_EQ(ell_cond_signal(&cond), 0);
			CHECK_EQ(ell_mutex_unlock(&mutex), 0);
		} else {
			CHECK_EQ(ell_mutex_unlock(&mutex), 0);
			CHECK_EQ(ell_cond_signal(&cond), 0);
		}
	}
}

static void take_unit(void)
{
	units--;
	if (++taken == UNITS) {
		over = true;
		CHECK_EQ(ell_cond_broadcast(&cond), 0);
	}
	CHECK_EQ(ell_cond_signal(&gone), 0);
}

static void take_patiently(void)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	for (;;) {
		while (units == 0 && !over)
			CHECK_EQ(ell_cond_wait(&cond, &mutex), 0);
		if (over)
			break;
		take_unit();
	}
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void take_in_time(struct hand *hand)
{
	for (;;) {
		int rc = 0;

		lock_somehow(hand);
		while (rc == 0 && units == 0 && !over)
			rc = ell_cond_wait_until(&cond, &mutex, ell_after(crew_random(hand, 40) * ELL_USEC));
		if (rc == ETIMEDOUT)
			too_late++;
		else if (!over)
			in_time++, take_unit();
		if (over)
			break;
		CHECK_EQ(ell_mutex_unlock(&mutex), 0);
		if (rc)
			ell_yield();
	}
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void make_or_take(struct hand *hand)
{
	/* Users and foreigners are on each side. */
	if (hand->index % 3 == 0 && hand->index / 3 < MAKERS)
		make(hand);
	else if (hand->index % 2)
		take_patiently();
	else
		take_in_time(hand);
}

static void race_deadlines(void)
{
	crew_start(&crew, 5, 4, make_or_take);
	crew_join(&crew);
	NOTE("%u made, %u taken, in time %llu, too late %llu", made, taken, (unsigned long long)in_time,
	     (unsigned long long)too_late);
	CHECK_EQ(made, UNITS);
	CHECK_EQ(taken, UNITS);
	CHECK_EQ(units, 0);
	CHECK_CAME(in_time > 0 && too_late > 0);
	CHECK_EQ(ell_cond_finish(&cond), 0);
	CHECK_EQ(ell_mutex_finish(&mutex), 0);
}

static void deadlines_that_race_with_signals_swallow_none(void)
{
	crew_run(2, race_deadlines);
}

/*
 * Lifetime: a waiter may free both objects as soon as it has returned and unlocked, even if it was signalled without
 * the mutex, and even if its deadline has passed meanwhile. The memory is overwritten then, and must stay so. In every
 * other round a third thread has the mutex while the signal comes.
 */
enum { TRIOS = 2, OBJECTS = 25000, POISON = 0xa5 };
enum { UNKNOWN, LATE, AGAIN, FREED };

static struct object {
	struct ell_mutex mutex;
	struct ell_cond cond;
	unsigned waits;
} objects[TRIOS][OBJECTS];

static unsigned outcomes[TRIOS][OBJECTS];
static unsigned held[TRIOS][OBJECTS];

/* Whoever gets the mutex after the waiter has said so finds it in the queue. */
static void lock_when_it_waits(struct object *o)
{
	WAIT_FOR(load_acquire(&o->waits));
	CHECK_EQ(ell_mutex_lock(&o->mutex), 0);
	o->waits = 0;
}

static void signal_without_mutex(struct object *o, unsigned round)
{
	CHECK_EQ(round % 4 < 2 ? ell_cond_broadcast(&o->cond) : ell_cond_signal(&o->cond), 0);
}

static void signal_it(struct object *o, unsigned trio, unsigned round)
{
	if (round % 2) {
		WAIT_FOR(load_acquire(&held[trio][round]));
	} else {
		lock_when_it_waits(o);
		CHECK_EQ(ell_mutex_unlock(&o->mutex), 0);
	}
	signal_without_mutex(o, round);
	WAIT_FOR(load_acquire(&outcomes[trio][round]) != UNKNOWN);
	if (load_acquire(&outcomes[trio][round]) == LATE) {
		store_release(&outcomes[trio][round], AGAIN);
		lock_when_it_waits(o);
		CHECK_EQ(ell_mutex_unlock(&o->mutex), 0);
		signal_without_mutex(o, round);
		WAIT_FOR(load_acquire(&outcomes[trio][round]) == FREED);
	}
}

static void wait_and_free(struct hand *hand, struct object *o, unsigned *outcome)
{
	CHECK_EQ(ell_mutex_lock(&o->mutex), 0);
	store_release(&o->waits, 1u);
	if (ell_cond_wait_until(&o->cond, &o->mutex, ell_after(crew_random(hand, 60) * ELL_USEC))) {
		/* The first signal was, or will be, in vain; a second one comes after it. */
		CHECK_EQ(ell_mutex_unlock(&o->mutex), 0);
		store_release(outcome, LATE);
		WAIT_FOR(load_acquire(outcome) == AGAIN);
		CHECK_EQ(ell_mutex_lock(&o->mutex), 0);
		store_release(&o->waits, 1u);
		CHECK_EQ(ell_cond_wait(&o->cond, &o->mutex), 0);
	}
	CHECK_EQ(ell_mutex_unlock(&o->mutex), 0);
	memset(o, POISON, sizeof(*o));
	store_release(outcome, FREED);
}

static void hold_it(struct hand *hand, struct object *o, unsigned *is_held)
{
	unsigned instructions = crew_random(hand, 10000);

	lock_when_it_waits(o);
	store_release(is_held, 1u);
	while (instructions--)
		atomic_signal_fence(memory_order_relaxed);
	CHECK_EQ(ell_mutex_unlock(&o->mutex), 0);
}

static void play_role(struct hand *hand)
{
	unsigned trio = hand->index % TRIOS;

	for (unsigned i = 0; i < OBJECTS; i++) {
		struct object *o = &objects[trio][i];

		switch (hand->index / TRIOS) {
		case 0:
			signal_it(o, trio, i);
			break;
		case 1:
			wait_and_free(hand, o, &outcomes[trio][i]);
			break;
		default:
			if (i % 2)
				hold_it(hand, o, &held[trio][i]);
		}
	}
}

static void free_by_the_waiter(void)
{
	crew_start(&crew, 3, 3, play_role);
	crew_join(&crew);
	for (size_t i = 0; i < sizeof(objects); i++)
		CHECK_EQ(((unsigned char *)objects)[i], POISON);
}

static void the_waiter_may_free_it_as_soon_as_it_is_signalled(void)
{
	crew_run(2, free_by_the_waiter);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(all_zero_is_a_condition, HARNESS_IN_RUN),
		HARNESS_CASE(waiting_without_the_mutex_gives_EPERM, HARNESS_IN_RUN),
		HARNESS_CASE(waiting_with_two_mutexes_gives_EINVAL, HARNESS_IN_RUN),
		HARNESS_CASE(finishing_with_waiters_gives_EBUSY, HARNESS_IN_RUN),
		HARNESS_CASE(each_signal_wakes_the_oldest, HARNESS_IN_RUN),
		HARNESS_CASE(broadcast_wakes_all_in_order_with_the_mutex_locked, HARNESS_IN_RUN),
		HARNESS_CASE(broadcast_wakes_all_in_order_with_the_mutex_free, HARNESS_IN_RUN),
		HARNESS_CASE(broadcast_to_one_with_the_mutex_free, HARNESS_IN_RUN),
		HARNESS_CASE(a_signalled_waiter_moves_to_the_locked_mutex, HARNESS_IN_RUN),
		HARNESS_CASE(a_signalled_waiter_owns_the_free_mutex_at_once, HARNESS_IN_RUN),
		HARNESS_CASE(signalled_waiters_queue_with_those_who_lock, HARNESS_IN_RUN),
		HARNESS_CASE(signalled_waiters_keep_their_order, HARNESS_IN_RUN),
		HARNESS_CASE(no_permit_and_no_lock_wakes_a_waiter, HARNESS_IN_RUN),
		HARNESS_CASE(a_deadline_gives_ETIMEDOUT_and_the_mutex, HARNESS_IN_RUN),
		HARNESS_CASE(who_was_signalled_in_time_gets_no_ETIMEDOUT, HARNESS_IN_RUN),
		HARNESS_CASE(two_threads_take_turns_on_one_vcpu),
		HARNESS_CASE(two_threads_take_turns_on_two_vcpus),
		HARNESS_CASE(a_thread_and_a_foreign_one_take_turns),
		HARNESS_CASE(a_broadcast_reaches_whose_turn_it_is),
		HARNESS_CASE(deadlines_that_race_with_signals_swallow_none),
		HARNESS_CASE(the_waiter_may_free_it_as_soon_as_it_is_signalled),
	};

	return harness_run("cond", cases, ARRAY_SIZE(cases), argc, argv);
}
