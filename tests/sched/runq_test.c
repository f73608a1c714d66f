/* SPDX-License-Identifier: BSD-2-Clause */
/* runq_test.c - the run queue: its order, what thieves get, and that no thread is lost, doubled or starved */
#include "sched/runq.h"

#include <ellula/sync.h>

#include "thread/threads.h"

/*
 * The queue as such, with threads that never run
 */
enum { MOST = 2000 };

static struct vcpu owner, thief, other_thief;
static struct thread threads[MOST];

static unsigned index_of(const struct thread *th)
{
	CHECK(th >= threads && th < threads + MOST);
	return (unsigned)(th - threads);
}

static void the_first_in_is_the_first_out(void)
{
	/* Fewer than the ring holds, as many, and more; with the ring's ends anywhere. */
	for (unsigned n = 1; n < MOST; n = n * 5 / 4 + 1) {
		for (unsigned i = 0; i < n; i++)
			runq_push(&owner, &threads[i]);
		CHECK(runq_has_some(&owner) && !runq_is_empty(&owner));
		for (unsigned i = 0; i < n; i++)
			CHECK_EQ(index_of(runq_pop(&owner)), i);
		CHECK(!runq_pop(&owner));
		CHECK(!runq_has_some(&owner) && runq_is_empty(&owner));
	}
}

static void order_is_kept_while_the_queue_overflows_and_drains(void)
{
	uint64_t seed = harness_seed() | 1;
	unsigned in = 0, out = 0;

	for (unsigned step = 0; step < 200000; step++) {
		bool grows = step / 1500 % 2 ? random_below(&seed, 10) < 4 : random_below(&seed, 10) < 6;

		if (grows && in - out < MOST) {
			runq_push(&owner, &threads[in++ % MOST]);
		} else if (out < in) {
			CHECK_EQ(index_of(runq_pop(&owner)), out++ % MOST);
		}
	}
}

static void who_was_just_woken_comes_first(void)
{
	runq_push(&owner, &threads[0]);
	runq_push_next(&owner, &threads[1]);
	CHECK_EQ(index_of(runq_pop(&owner)), 1);
	runq_push_next(&owner, &threads[2]);
	/* The one before goes to the end of the queue. */
	runq_push_next(&owner, &threads[3]);
	CHECK_EQ(index_of(runq_pop(&owner)), 3);
	CHECK_EQ(index_of(runq_pop(&owner)), 0);
	CHECK_EQ(index_of(runq_pop(&owner)), 2);
	CHECK(!runq_pop(&owner));
}

static void but_not_for_ever(void)
{
	unsigned turns = 0;

	runq_push(&owner, &threads[0]);
	for (;; turns++) {
		runq_push_next(&owner, &threads[1]);
		if (index_of(runq_pop(&owner)) == 0)
			break;
		CHECK(turns < 1000);
	}
	CHECK(turns > 10);
	CHECK_EQ(index_of(runq_pop(&owner)), 1);
}

/* One that may move, beside two that may not and wake each other. */
static void nor_before_another_that_was_woken(void)
{
	unsigned turns = 0;

	threads[1].th_vcpu = &owner;
	runq_push_next(&owner, &threads[0]);
	for (;; turns++) {
		runq_push_next(&owner, &threads[1]);
		if (index_of(runq_pop(&owner)) == 0)
			break;
		CHECK(turns < 1000);
	}
	CHECK_EQ(index_of(runq_pop(&owner)), 1);
	CHECK(!runq_pop(&owner));
}

static void threads_that_may_not_move_and_others_take_turns(void)
{
	unsigned pinned = 0, movable = 0;

	for (unsigned i = 0; i < 200; i++) {
		threads[i].th_vcpu = i % 2 ? &owner : NULL;
		runq_push(&owner, &threads[i]);
	}
	for (unsigned i = 0; i < 200; i++) {
		unsigned n = index_of(runq_pop(&owner));

		CHECK_EQ(n / 2, n % 2 ? pinned++ : movable++);
		CHECK(pinned <= movable + 1 && movable <= pinned + 1);
	}
	CHECK(!runq_pop(&owner));
}

static void thieves_take_half_and_keep_the_order(void)
{
	for (unsigned i = 0; i < 100; i++)
		runq_push(&owner, &threads[i]);
	for (unsigned i = 0; i < 50; i++)
		CHECK_EQ(index_of(i ? runq_pop(&thief) : runq_steal(&thief, &owner, false)), i);
	CHECK(!runq_pop(&thief));
	for (unsigned i = 50; i < 100; i++)
		CHECK_EQ(index_of(runq_pop(&owner)), i);
	CHECK(!runq_steal(&thief, &owner, true));
}

static void thieves_take_the_last_one(void)
{
	runq_push(&owner, &threads[7]);
	CHECK_EQ(index_of(runq_steal(&thief, &owner, false)), 7);
	CHECK(!runq_pop(&owner));
}

static void thieves_leave_what_may_not_move(void)
{
	threads[1].th_vcpu = &owner;
	runq_push(&owner, &threads[1]);
	threads[2].th_vcpu = &owner;
	runq_push_next(&owner, &threads[2]);
	CHECK(!runq_steal(&thief, &owner, true));
	CHECK_EQ(index_of(runq_pop(&owner)), 2);
	CHECK_EQ(index_of(runq_pop(&owner)), 1);
}

static void thieves_take_who_was_just_woken_only_if_told_to(void)
{
	runq_push_next(&owner, &threads[1]);
	CHECK(!runq_steal(&thief, &owner, false));
	CHECK_EQ(index_of(runq_steal(&thief, &owner, true)), 1);
	CHECK(!runq_pop(&owner));
}

/*
 * An owner that pushes and pops, and two thieves, on kernel threads of their own: each thread is had once per push.
 */
enum { PUSHES = MANY(400000, 40000) };

static unsigned had[MOST];
static unsigned pushed, taken, finished;

static void take(struct thread *th)
{
	/* From here the owner may push it again. */
	CHECK_EQ(xchg_acq_rel(&had[index_of(th)], 0), 1);
	fetch_add_acq_rel(&taken, 1);
}

static void *steal_often(void *arg)
{
	struct vcpu *vc = arg;
	struct vcpu *other = vc == &thief ? &other_thief : &thief;

	for (unsigned i = 0; !load_acquire(&finished); i++) {
		struct thread *th = runq_pop(vc);

		if (!th)
			th = runq_steal(vc, i % 4 ? &owner : other, i % 3 == 0);
		if (th)
			take(th);
		else if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

static void no_thread_is_lost_or_doubled_by_thieves(void)
{
	uint64_t seed = harness_seed() | 1;
	pthread_t thieves[2];

	CHECK_EQ(pthread_create(&thieves[0], NULL, steal_often, &thief), 0);
	CHECK_EQ(pthread_create(&thieves[1], NULL, steal_often, &other_thief), 0);
	for (unsigned i = 0; pushed < PUSHES; i++) {
		unsigned n = random_below(&seed, MOST);
		struct thread *th;

		if (random_below(&seed, 16) < 8 + i / 5000 % 2 && !load_acquire(&had[n])) {
			store_release(&had[n], 1);
			pushed++;
			if (random_below(&seed, 4) == 0)
				runq_push_next(&owner, &threads[n]);
			else
				runq_push(&owner, &threads[n]);
		} else if ((th = runq_pop(&owner)) != NULL) {
			take(th);
		}
	}
	while (load_acquire(&taken) < pushed) {
		struct thread *th = runq_pop(&owner);

		if (th)
			take(th);
		else
			sched_yield();
	}
	store_release(&finished, 1);
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thieves[i], NULL), 0);
	CHECK_EQ(taken, pushed);
	CHECK(runq_is_empty(&owner) && runq_is_empty(&thief) && runq_is_empty(&other_thief));
}

/*
 * Fairness, seen from above
 */
static unsigned stop;

static void *count_yields(void *arg)
{
	while (!load_relaxed(&stop)) {
		count_up((unsigned *)arg, 1);
		ell_yield();
	}
	return NULL;
}

static void all_who_yield_go_on(void)
{
	enum { YIELDERS = 300 };
	static unsigned counts[YIELDERS];
	ell_thread yielders[YIELDERS];

	for (unsigned i = 0; i < YIELDERS; i++)
		yielders[i] = start(count_yields, &counts[i]);
	for (unsigned i = 0; i < 200; i++)
		ell_yield();
	store_relaxed(&stop, 1);
	for (unsigned i = 0; i < YIELDERS; i++)
		join(yielders[i]);
	for (unsigned i = 0; i < YIELDERS; i++) {
		NOTE("yielder %u: %u, the first: %u", i, counts[i], counts[0]);
		CHECK(counts[i] >= 190 && counts[i] <= 210);
	}
}

static struct ell_sem pings[2];
static unsigned exchanges;

static void *ping_pong(void *arg)
{
	bool side = arg != NULL;

	while (!load_relaxed(&stop)) {
		CHECK_EQ(ell_sem_wait(&pings[side]), 0);
		fetch_add_relaxed(&exchanges, 1);
		CHECK_EQ(ell_sem_post(&pings[!side]), 0);
	}
	ell_sem_post(&pings[!side]);
	return NULL;
}

/* Nothing but a permit each: unpark and park. */
static ell_thread partners[2];

static void *wake_each_other(void *arg)
{
	bool side = arg != NULL;

	WAIT_FOR(load_acquire(&partners[!side]));
	while (!load_relaxed(&stop)) {
		fetch_add_relaxed(&exchanges, 1);
		ell_unpark(load_relaxed(&partners[!side]));
		ell_park();
	}
	ell_unpark(load_relaxed(&partners[!side]));
	return NULL;
}

/* Each puts the other in front of the queue, and leaves. */
static park_ticket tickets[2];
static unsigned gone[2];

static void *hand_over(void *arg)
{
	bool side = arg != NULL;

	while (!load_relaxed(&stop)) {
		park_ticket ticket = park_prepare();

		store_seq_cst(&tickets[side], ticket);
		fetch_add_relaxed(&exchanges, 1);
		if (load_seq_cst(&tickets[!side]))
			park_unpark_next(load_seq_cst(&tickets[!side]));
		park_commit(ticket, PARK_PERMIT, ELL_FOREVER);
	}
	store_release(&gone[side], 1);
	/* The other may be on its way to one more sleep. */
	WAIT_FOR((park_unpark(load_seq_cst(&tickets[!side])), load_acquire(&gone[!side])));
	return NULL;
}

static void third_parties_go_on(void *(*talk)(void *))
{
	unsigned turns = 0, naps = 0;
	ell_time begin;

	store_relaxed(&partners[0], start(talk, NULL));
	store_relaxed(&partners[1], start(talk, &stop));
	WAIT_FOR(load_relaxed(&exchanges) > 100);
	/* A third party that yields, and one that sleeps: each gets its turn after some exchanges of the two. */
	for (; turns < 1000; turns++) {
		unsigned before = load_relaxed(&exchanges);

		ell_yield();
		CHECK(ell_vcpus() > 1 || load_relaxed(&exchanges) - before < 1000);
	}
	for (begin = ell_now(); naps < 100; naps++)
		sleep_for(100 * ELL_USEC);
	NOTE("100 naps of 0.1 ms took %lld us", (long long)((ell_now() - begin) / ELL_USEC));
	CHECK(ell_now() - begin < 20 * ELL_SEC);
	store_relaxed(&stop, 1);
	join(partners[0]);
	join(partners[1]);
}

static void two_that_talk_for_ever_starve_no_third(void)
{
	CHECK_EQ(ell_sem_post(&pings[0]), 0);
	third_parties_go_on(ping_pong);
}

static void two_that_wake_each_other_for_ever_starve_no_third(void)
{
	third_parties_go_on(wake_each_other);
}

static void two_that_hand_over_to_each_other_for_ever_starve_no_third(void)
{
	third_parties_go_on(hand_over);
}

/* What comes from outside is not starved either: messages, foreign wake-ups. */
static void *give_permits(void *arg)
{
	for (unsigned i = 0; i < 50; i++) {
		CHECK_EQ(ell_unpark(*(ell_thread *)arg), 0);
		CHECK(ell_park_until(ell_after(20 * ELL_SEC)));
	}
	return NULL;
}

static ell_thread giver;

static void *give_permits_first(void *arg)
{
	store_release(&giver, ell_self());
	return give_permits(arg);
}

static void those_who_yield_for_ever_do_not_keep_others_out(void)
{
	static unsigned counts[3];
	ell_thread self = ell_self(), yielders[3];
	struct foreign foreign;
	struct stat st;

	for (unsigned i = 0; i < ARRAY_SIZE(yielders); i++)
		yielders[i] = start(count_yields, &counts[i]);
	foreign_start(&foreign, give_permits_first, &self);
	for (unsigned i = 0; i < 50; i++) {
		ell_park();
		CHECK_EQ(ell_stat("/", &st), 0);
		CHECK_EQ(ell_unpark(load_acquire(&giver)), 0);
	}
	foreign_join(&foreign);
	store_relaxed(&stop, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(yielders); i++)
		join(yielders[i]);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(the_first_in_is_the_first_out),
		HARNESS_CASE(order_is_kept_while_the_queue_overflows_and_drains),
		HARNESS_CASE(who_was_just_woken_comes_first),
		HARNESS_CASE(but_not_for_ever),
		HARNESS_CASE(nor_before_another_that_was_woken),
		HARNESS_CASE(threads_that_may_not_move_and_others_take_turns),
		HARNESS_CASE(thieves_take_half_and_keep_the_order),
		HARNESS_CASE(thieves_take_the_last_one),
		HARNESS_CASE(thieves_leave_what_may_not_move),
		HARNESS_CASE(thieves_take_who_was_just_woken_only_if_told_to),
		HARNESS_CASE(no_thread_is_lost_or_doubled_by_thieves),
		HARNESS_CASE(all_who_yield_go_on, HARNESS_IN_RUN, HARNESS_VCPUS(1)),
		HARNESS_CASE_ON_1_AND_2(two_that_talk_for_ever_starve_no_third),
		HARNESS_CASE_ON_1_AND_2(two_that_wake_each_other_for_ever_starve_no_third),
		HARNESS_CASE_ON_1_AND_2(two_that_hand_over_to_each_other_for_ever_starve_no_third),
		HARNESS_CASE_ON_1_AND_2(those_who_yield_for_ever_do_not_keep_others_out),
	};

	return harness_run("runq", cases, ARRAY_SIZE(cases), argc, argv);
}
