/* SPDX-License-Identifier: BSD-2-Clause */
/* permit_test.c - park and unpark: a permit, at most one, for threads of all kinds */
#include "thread/threads.h"

static unsigned asleep, awake;

static void *park_once(void *arg)
{
	store_release(&asleep, 1);
	ell_park();
	store_release(&awake, 1);
	return arg;
}

static void a_parked_thread_sleeps_until_it_is_unparked(void)
{
	ell_thread thread = start(park_once, NULL);

	WAIT_FOR(load_acquire(&asleep));
	sleep_for(5 * ELL_MSEC);
	CHECK_EQ(load_acquire(&awake), 0);
	CHECK_EQ(ell_unpark(thread), 0);
	join(thread);
	CHECK_EQ(awake, 1);
}

static void a_permit_may_come_first(void)
{
	CHECK_EQ(ell_unpark(ell_self()), 0);
	ell_park();
	CHECK(!ell_park_until(0));
}

static void there_is_one_permit_at_most(void)
{
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(ell_unpark(ell_self()), 0);
	CHECK(ell_park_until(ELL_FOREVER));
	CHECK(!ell_park_until(ell_after(ELL_MSEC)));
}

static void a_permit_counts_more_than_a_past_deadline(void)
{
	CHECK_EQ(ell_unpark(ell_self()), 0);
	CHECK(ell_park_until(-1));
	CHECK(!ell_park_until(-1));
}

static void a_deadline_ends_the_sleep_not_before_its_time(void)
{
	for (unsigned i = 0; i < 50; i++) {
		ell_time until = ell_after(i * 37 * ELL_USEC);

		CHECK(!ell_park_until(until));
		CHECK(ell_now() >= until);
	}
}

static void a_new_thread_has_no_permit(void)
{
	/* Each of them ends with a permit that it has not used, and leaves its descriptor to the next. */
	for (unsigned i = 0; i < 100; i++) {
		ell_thread thread;

		store_relaxed(&asleep, 0);
		store_relaxed(&awake, 0);
		thread = start(park_once, NULL);
		WAIT_FOR(load_acquire(&asleep));
		ell_yield();
		CHECK_EQ(load_acquire(&awake), 0);
		CHECK_EQ(ell_unpark(thread), 0);
		ell_unpark(thread);
		join(thread);
	}
}

static void *park_in_vain(void *arg)
{
	CHECK(!ell_park_until(ell_after(30 * ELL_USEC)));
	CHECK_EQ(ell_unpark(ell_self()), 0);
	return arg;
}

static void a_new_foreign_thread_has_no_permit(void)
{
	for (unsigned i = 0; i < 20; i++) {
		struct foreign foreign;

		foreign_start(&foreign, park_in_vain, NULL);
		foreign_join(&foreign);
	}
}

/*
 * Latecomers: who unparks a thread that has ended must not give a permit to the next one with its descriptor.
 */
static ell_thread shown;
static unsigned over;

static void *unpark_what_may_be_gone(void *arg)
{
	for (unsigned i = 0; !load_acquire(&over); i++) {
		ell_unpark(load_acquire(&shown));
		if (i % 64 == 0)
			breathe(i / 64);
	}
	return arg;
}

static void *end_at_once(void *arg)
{
	return arg;
}

static void an_unpark_that_comes_too_late_gives_nothing(void)
{
	ell_thread late = start(unpark_what_may_be_gone, NULL);

	for (unsigned i = 0; i < harness_rounds(MANY(20000, 2000)); i++) {
		ell_thread thread = start(end_at_once, NULL);

		store_release(&shown, thread);
		join(thread);
		/* It takes the descriptor of the other. */
		join(start(park_in_vain, NULL));
		if (i % 16 == 0)
			ell_yield();
	}
	store_release(&over, 1);
	join(late);
}

/*
 * Ping-pong: each permit is one turn, none may be lost.
 */
struct player {
	ell_thread other;
	unsigned turns;
	unsigned late; /* deadlines that passed */
	bool impatient;
	uint64_t seed;
};

static struct player players[2];
static unsigned seated;
static unsigned turn;

static void *play(void *arg)
{
	struct player *me = arg;
	unsigned index = (unsigned)(me - players);

	store_release(&players[!index].other, ell_self());
	fetch_add_acq_rel(&seated, 1);
	WAIT_FOR(load_acquire(&seated) == 2);
	for (unsigned i = 0; i < me->turns; i++) {
		while (load_acquire(&turn) % 2 != index) {
			if (!me->impatient)
				ell_park();
			else if (!ell_park_until(ell_after(random_below(&me->seed, 30) * ELL_USEC)))
				me->late++;
		}
		fetch_add_acq_rel(&turn, 1);
		CHECK_EQ(ell_unpark(me->other), 0);
	}
	/* The other may still give a permit. */
	fetch_add_acq_rel(&seated, 1);
	WAIT_FOR(load_acquire(&seated) == 4);
	return NULL;
}

static void play_with(bool foreign, bool impatient, unsigned turns)
{
	uint64_t seed = harness_seed() | 1;
	ell_thread threads[2];
	struct foreign outside;

	for (unsigned i = 0; i < 2; i++)
		players[i] = (struct player){.turns = turns, .impatient = impatient, .seed = seed + i};
	threads[0] = start(play, &players[0]);
	if (foreign)
		foreign_start(&outside, play, &players[1]);
	else
		threads[1] = start(play, &players[1]);
	join(threads[0]);
	if (foreign)
		foreign_join(&outside);
	else
		join(threads[1]);
	CHECK_EQ(turn, 2 * turns);
	if (impatient)
		CHECK_CAME(players[0].late + players[1].late > 0);
}

static void two_threads_wake_each_other(void)
{
	play_with(false, false, harness_rounds(MANY(300000, 20000)));
}

static void a_thread_and_a_foreign_one_wake_each_other(void)
{
	play_with(true, false, harness_rounds(MANY(20000, 3000)));
}

static void deadlines_race_with_permits(void)
{
	play_with(false, true, harness_rounds(MANY(50000, 5000)));
}

static void deadlines_of_foreign_threads_race_with_permits(void)
{
	play_with(true, true, harness_rounds(MANY(20000, 3000)));
}

/* On vCPUs of their own: each wake-up crosses. */
static void wakes_cross_from_vcpu_to_vcpu(void)
{
	ell_thread threads[2];

	for (int i = 0; i < 2; i++)
		players[i] = (struct player){.turns = harness_rounds(MANY(20000, 3000))};
	for (int i = 0; i < 2; i++)
		threads[i] = start_on(i, play, &players[i]);
	for (int i = 0; i < 2; i++)
		join(threads[i]);
	CHECK_EQ(turn, 2 * players[0].turns);
}

/*
 * Many unpark one: it must see all that was counted before a permit.
 */
enum { GIVERS = 6, GIFTS = MANY(20000, 2000) };

static ell_thread receiver;
static unsigned gifts;

static void *give(void *arg)
{
	for (unsigned i = 0; i < GIFTS; i++) {
		fetch_add_relaxed(&gifts, 1);
		CHECK_EQ(ell_unpark(receiver), 0);
		if (i % 8 == 0)
			ell_yield();
	}
	return arg;
}

static void no_permit_of_many_givers_is_lost(void)
{
	struct foreign foreigns[GIVERS / 2];
	ell_thread threads[GIVERS / 2];

	receiver = ell_self();
	for (unsigned i = 0; i < GIVERS / 2; i++) {
		threads[i] = start(give, NULL);
		foreign_start(&foreigns[i], give, NULL);
	}
	/* Without a time-out: a lost permit would leave us here. */
	while (load_relaxed(&gifts) < GIVERS * GIFTS)
		ell_park();
	for (unsigned i = 0; i < GIVERS / 2; i++) {
		join(threads[i]);
		foreign_join(&foreigns[i]);
	}
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(a_parked_thread_sleeps_until_it_is_unparked),
		HARNESS_CASE(a_permit_may_come_first, HARNESS_IN_RUN),
		HARNESS_CASE(there_is_one_permit_at_most, HARNESS_IN_RUN),
		HARNESS_CASE(a_permit_counts_more_than_a_past_deadline, HARNESS_IN_RUN),
		HARNESS_CASE(a_deadline_ends_the_sleep_not_before_its_time, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(a_new_thread_has_no_permit),
		HARNESS_CASE(a_new_foreign_thread_has_no_permit, HARNESS_IN_RUN),
		HARNESS_CASE(an_unpark_that_comes_too_late_gives_nothing, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE_ON_1_AND_2(two_threads_wake_each_other),
		HARNESS_CASE_ON_1_AND_2(a_thread_and_a_foreign_one_wake_each_other),
		HARNESS_CASE_ON_1_AND_2(deadlines_race_with_permits),
		HARNESS_CASE_ON_1_AND_2(deadlines_of_foreign_threads_race_with_permits),
		HARNESS_CASE(wakes_cross_from_vcpu_to_vcpu, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE_ON_1_AND_2(no_permit_of_many_givers_is_lost),
	};

	return harness_run("permit", cases, ARRAY_SIZE(cases), argc, argv);
}
