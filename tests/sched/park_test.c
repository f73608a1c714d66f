/* SPDX-License-Identifier: BSD-2-Clause */
/* park_test.c - the protocol itself: a sleep ends exactly once, by exactly one */
#include "sched/park.h"

#include "sched/thread.h"
#include "thread/threads.h"

static void a_cancelled_sleep_cannot_be_ended(void)
{
	park_ticket ticket = park_prepare();

	CHECK(ticket != 0);
	CHECK_EQ(ticket >> 61, 0);
	CHECK(park_cancel(ticket));
	CHECK(!park_unpark(ticket));
	CHECK(!park_unpark_next(ticket));
	CHECK(!park_unpark_here(ticket));
}

static void who_is_woken_before_the_sleep_does_not_sleep(void)
{
	park_ticket ticket = park_prepare();

	CHECK(park_unpark(ticket));
	CHECK(!park_unpark(ticket));
	CHECK(!park_cancel(ticket));
	CHECK(park_commit(ticket, PARK_PERMIT, ELL_FOREVER));
	CHECK(!park_unpark(ticket));
}

static void a_wake_up_counts_more_than_a_past_deadline(void)
{
	park_ticket ticket = park_prepare();

	CHECK(park_unpark(ticket));
	CHECK(park_commit(ticket, PARK_PERMIT, 0));
	ticket = park_prepare();
	CHECK(!park_commit(ticket, PARK_PERMIT, 0));
	CHECK(!park_unpark(ticket));
}

static void the_ticket_of_an_old_sleep_wakes_nobody(void)
{
	park_ticket old[100], ticket;

	for (unsigned i = 0; i < ARRAY_SIZE(old); i++) {
		old[i] = park_prepare();
		CHECK(!park_commit(old[i], PARK_PERMIT, i % 2 ? 0 : ell_after(1)));
		CHECK(i == 0 || old[i] != old[i - 1]);
	}
	ticket = park_prepare();
	for (unsigned i = 0; i < ARRAY_SIZE(old); i++)
		CHECK(!park_unpark(old[i]));
	CHECK(park_cancel(ticket));
}

static void deadlines_are_not_met_early(void)
{
	for (unsigned i = 0; i < 100; i++) {
		ell_time until = ell_after((int64_t)(i * i) * ELL_USEC);

		CHECK(!park_commit(park_prepare(), PARK_SLEEP, until));
		CHECK(ell_now() >= until);
	}
}

static void *do_all(void *arg)
{
	a_cancelled_sleep_cannot_be_ended();
	who_is_woken_before_the_sleep_does_not_sleep();
	a_wake_up_counts_more_than_a_past_deadline();
	the_ticket_of_an_old_sleep_wakes_nobody();
	deadlines_are_not_met_early();
	return arg;
}

static void all_this_holds_for_foreign_threads(void)
{
	struct foreign foreign;

	foreign_start(&foreign, do_all, NULL);
	foreign_join(&foreign);
}

static unsigned reason;

static void *sleep_for_a_reason(void *arg)
{
	park_ticket ticket = park_prepare();

	store_release((park_ticket *)arg, ticket);
	CHECK(park_commit(ticket, PARK_BARRIER, ELL_FOREVER));
	return NULL;
}

static bool note_reason(struct thread *th, void *id)
{
	if (th->th_id == *(ell_thread *)id)
		store_relaxed(&reason, load_relaxed(&th->th_why));
	return true;
}

static void tools_see_why_a_thread_is_parked(void)
{
	static park_ticket ticket;
	ell_thread thread = start(sleep_for_a_reason, &ticket);

	WAIT_FOR(load_acquire(&ticket));
	WAIT_FOR((thread_each(note_reason, &thread), reason == PARK_BARRIER));
	CHECK(park_unpark(ticket));
	join(thread);
}

/*
 * Rounds: one sleeper shows its ticket, several wakers and its deadline compete to end the sleep. The sleeper is told
 * by whom, and exactly one of them is told that it was it.
 */
enum { WAKERS = 3, SLEEPS = MANY(30000, 4000) };

static park_ticket shown;
static unsigned woken, closed;

static void *wake(void *arg)
{
	park_ticket last = 0;
	uint64_t seed = (uintptr_t)arg * 77777 + 1;
	unsigned tries = 0;

	while (!load_acquire(&closed)) {
		park_ticket ticket = load_acquire(&shown);

		if (ticket == 0 || (ticket == last && tries++ % 8)) {
			breathe(tries);
			continue;
		}
		for (unsigned spin = random_below(&seed, 300); spin > 0; spin--)
			__asm__ volatile("");
		if (random_below(&seed, 2) ? park_unpark(ticket) : park_unpark_next(ticket))
			fetch_add_relaxed(&woken, 1);
		last = ticket;
	}
	return NULL;
}

static unsigned sleep_often(uint64_t *seed)
{
	unsigned ends = 0;

	for (unsigned i = 0; i < SLEEPS; i++) {
		ell_time until = random_below(seed, 3) ? ELL_FOREVER : ell_after(random_below(seed, 50) * ELL_USEC);
		park_ticket ticket = park_prepare();

		store_release(&shown, ticket);
		if (random_below(seed, 4) == 0 && park_cancel(ticket))
			continue;
		ends += park_commit(ticket, PARK_PERMIT, until);
	}
	store_release(&closed, 1);
	return ends;
}

static void race(bool foreign_wakers)
{
	uint64_t seed = harness_seed() | 1;
	ell_thread wakers[WAKERS];
	struct foreign foreigns[WAKERS];
	unsigned ends;

	for (uintptr_t i = 0; i < WAKERS; i++) {
		if (foreign_wakers && i > 0)
			foreign_start(&foreigns[i], wake, (void *)i);
		else
			wakers[i] = start(wake, (void *)i);
	}
	ends = sleep_often(&seed);
	for (unsigned i = 0; i < WAKERS; i++) {
		if (foreign_wakers && i > 0)
			foreign_join(&foreigns[i]);
		else
			join(wakers[i]);
	}
	NOTE("%u sleeps ended, %u wakers did it", ends, woken);
	CHECK_EQ(ends, woken);
	CHECK_CAME(ends > 0);
}

static void one_of_many_wakers_ends_a_sleep(void)
{
	race(false);
}

static void one_of_many_foreign_wakers_ends_a_sleep(void)
{
	race(true);
}

static void *sleep_outside(void *arg)
{
	*(unsigned *)arg = sleep_often(&(uint64_t){99});
	return NULL;
}

static void one_of_many_wakers_ends_a_foreign_sleep(void)
{
	struct foreign sleeper;
	ell_thread wakers[WAKERS];
	unsigned ends = 0;

	for (uintptr_t i = 0; i < WAKERS; i++)
		wakers[i] = start(wake, (void *)i);
	foreign_start(&sleeper, sleep_outside, &ends);
	foreign_join(&sleeper);
	for (unsigned i = 0; i < WAKERS; i++)
		join(wakers[i]);
	CHECK_EQ(ends, woken);
	CHECK_CAME(ends > 0);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_cancelled_sleep_cannot_be_ended, HARNESS_IN_RUN),
		HARNESS_CASE(who_is_woken_before_the_sleep_does_not_sleep, HARNESS_IN_RUN),
		HARNESS_CASE(a_wake_up_counts_more_than_a_past_deadline, HARNESS_IN_RUN),
		HARNESS_CASE(the_ticket_of_an_old_sleep_wakes_nobody, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(deadlines_are_not_met_early),
		HARNESS_CASE(all_this_holds_for_foreign_threads, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(tools_see_why_a_thread_is_parked),
		HARNESS_CASE_ON_1_AND_2(one_of_many_wakers_ends_a_sleep),
		HARNESS_CASE_ON_1_AND_2(one_of_many_foreign_wakers_ends_a_sleep),
		HARNESS_CASE_ON_1_AND_2(one_of_many_wakers_ends_a_foreign_sleep),
	};

	return harness_run("park", cases, ARRAY_SIZE(cases), argc, argv);
}
