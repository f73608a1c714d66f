/* SPDX-License-Identifier: BSD-2-Clause */
/* sem_test.c - what <ellula/sync.h> promises of a semaphore */
#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>
#include <string.h>

#include "sync/crew.h"

static struct ell_sem sem;
static struct crew crew;
static unsigned order[CREW_MAX];
static unsigned arrived;

static void it_counts(void)
{
	CHECK_EQ(ell_sem_trywait(&sem), EAGAIN); /* all zero is a semaphore without units */
	CHECK_EQ(ell_sem_post(&sem), 0);
	CHECK_EQ(ell_sem_trywait(&sem), 0);
	CHECK_EQ(ell_sem_trywait(&sem), EAGAIN);
	CHECK_EQ(ell_sem_init(&sem, 3), 0);
	CHECK_EQ(ell_sem_wait(&sem), 0);
	CHECK_EQ(ell_sem_wait_until(&sem, 0), 0);
	CHECK_EQ(ell_sem_wait(&sem), 0);
	CHECK_EQ(ell_sem_wait_until(&sem, 0), ETIMEDOUT);
	CHECK_EQ(ell_sem_finish(&sem), 0);
}

static void too_many_units_are_an_error(void)
{
	CHECK_EQ(ell_sem_init(&sem, (uint32_t)ELL_SEM_MAX + 1), EINVAL);
	CHECK_EQ(ell_sem_init(&sem, ELL_SEM_MAX), 0);
	CHECK_EQ(ell_sem_post(&sem), EOVERFLOW);
	CHECK_EQ(ell_sem_wait(&sem), 0);
	CHECK_EQ(ell_sem_post(&sem), 0);
	CHECK_EQ(ell_sem_post(&sem), EOVERFLOW);
}

static void wait_and_note(struct hand *hand)
{
	WAIT_FOR(WAITERS(sem.sm_waiters) == hand->index);
	CHECK_EQ(ell_sem_wait(&sem), 0);
	order[arrived] = hand->index;
	store_release(&arrived, arrived + 1);
}

static void units_go_to_the_oldest_waiter(void)
{
	crew_start(&crew, 5, 3, wait_and_note);
	WAIT_FOR(WAITERS(sem.sm_waiters) == crew.size);
	CHECK_EQ(ell_sem_finish(&sem), EBUSY);
	for (unsigned i = 0; i < crew.size; i++) {
		CHECK_EQ(ell_sem_post(&sem), 0);
		/* It is the waiter's already. */
		CHECK_EQ(ell_sem_trywait(&sem), EAGAIN);
		WAIT_FOR(load_acquire(&arrived) == i + 1);
	}
	crew_join(&crew);
	for (unsigned i = 0; i < crew.size; i++)
		CHECK_EQ(order[i], i);
	CHECK_EQ(ell_sem_finish(&sem), 0);
}

static void wait_late(struct hand *hand)
{
	ell_time until = hand->index % 2 ? 0 : ell_after(2 * ELL_MSEC);

	CHECK_EQ(ell_sem_wait_until(&sem, until), ETIMEDOUT);
	CHECK(ell_now() >= until);
}

static void who_gives_up_leaves_no_trace(void)
{
	static const struct ell_sem zero;

	crew_start(&crew, 2, 2, wait_late);
	crew_join(&crew);
	CHECK_EQ(memcmp(&sem, &zero, sizeof(zero)), 0);
	CHECK_EQ(ell_sem_post(&sem), 0);
	CHECK_EQ(ell_sem_trywait(&sem), 0);
}

static void post_for_reply(struct ell_port *port, void *arg)
{
	while (ell_port_get(port))
		CHECK_EQ(ell_sem_post(arg), 0);
}

/* Scheduler context, in which nothing may wait: the reply comes while all threads sleep. */
static void an_upcall_may_post(void)
{
	struct ell_port port;
	struct ell_msg m;

	ell_port_init(&port, "upcall");
	ell_port_upcall(&port, post_for_reply, &sem);
	ell_msg_init(&m, &port, NULL);
	for (int i = 0; i < 100; i++) {
		ell_msg_timer(&m, ell_after(20 * ELL_USEC));
		CHECK_EQ(ell_msg_send(&m), 0);
		CHECK_EQ(ell_sem_wait(&sem), 0);
	}
	CHECK_EQ(ell_sem_trywait(&sem), EAGAIN);
	CHECK_EQ(ell_port_finish(&port), 0);
}

/*
 * Many at once
 */

enum { POSTS = 120000, HANDS = 8 };

static uint64_t in_time, too_late;
static uint32_t somebody_was_late;

static void post_or_wait(struct hand *hand)
{
	uint64_t got = 0;
	uint64_t late = 0;

	/* Whatever the pace of the two kinds: the first who waits is late. */
	while (hand->index % 2 == 0 && !load_relaxed(&somebody_was_late))
		ell_yield();
	for (unsigned i = 0; i < POSTS / (HANDS / 2); i++) {
		if (hand->index % 2 == 0) {
			CHECK_EQ(ell_sem_post(&sem), 0);
			if (crew_random(hand, 4) == 0)
				ell_yield();
		} else if (i > 0 && crew_random(hand, 8) == 0) {
			CHECK_EQ(ell_sem_wait(&sem), 0);
			got++;
		} else {
			int rc = ell_sem_wait_until(&sem, ell_after(crew_random(hand, 60) * ELL_USEC));

			CHECK(rc == 0 || rc == ETIMEDOUT);
			got += rc == 0;
			late += rc != 0;
			if (rc != 0 && late == 1)
				store_relaxed(&somebody_was_late, 1);
		}
	}
	fetch_add_relaxed(&in_time, got);
	fetch_add_relaxed(&too_late, late);
}

static void race_deadlines(void)
{
	crew_start(&crew, HANDS / 2, HANDS / 2, post_or_wait);
	crew_join(&crew);
	NOTE("%llu in time, %llu too late, left %u", (unsigned long long)in_time, (unsigned long long)too_late,
	     sem.sm_units);
	CHECK_EQ(in_time + sem.sm_units, POSTS);
	CHECK_EQ(in_time + too_late, POSTS);
	CHECK_CAME(in_time > 0 && too_late > 0);
}

static void deadlines_that_race_with_posts_lose_no_unit(void)
{
	crew_run(2, race_deadlines);
}

/* Ping-pong */
static struct ell_sem sides[2];

static void bounce(struct hand *hand)
{
	for (unsigned i = 0; i < POSTS; i++) {
		CHECK_EQ(ell_sem_wait(&sides[hand->index]), 0);
		CHECK_EQ(ell_sem_post(&sides[!hand->index]), 0);
	}
}

static void bounce_between_threads(void)
{
	CHECK_EQ(ell_sem_post(&sides[0]), 0);
	crew_start(&crew, 2, 0, bounce);
	crew_join(&crew);
	CHECK_EQ(sides[0].sm_units, 1);
	CHECK_EQ(sides[1].sm_units, 0);
}

static void a_unit_bounces_on_one_vcpu(void)
{
	crew_run(1, bounce_between_threads);
}

static void a_unit_bounces_on_two_vcpus(void)
{
	crew_run(2, bounce_between_threads);
}

/*
 * Lifetime: who gets the unit may free the semaphore. The memory is overwritten then, and must stay so.
 */
enum { PAIRS = 2, OBJECTS = 25000, POISON = 0xa5 };

static struct ell_sem sems[PAIRS][OBJECTS];
static unsigned begun[PAIRS];

static void post_or_free(struct hand *hand)
{
	unsigned pair = hand->index % PAIRS;

	for (unsigned i = 0; i < OBJECTS; i++) {
		struct ell_sem *sm = &sems[pair][i];

		if (hand->index < PAIRS) {
			ell_time until = ell_after(crew_random(hand, 20) * ELL_USEC);

			WAIT_FOR(load_acquire(&begun[pair]) > i && ell_now() >= until);
			CHECK_EQ(ell_sem_post(sm), 0);
		} else {
			store_release(&begun[pair], i + 1);
			WAIT_FOR(ell_sem_wait_until(sm, ell_after(crew_random(hand, 20) * ELL_USEC)) == 0);
			memset(sm, POISON, sizeof(*sm));
		}
	}
}

static void free_by_the_waiter(void)
{
	crew_start(&crew, PAIRS, PAIRS, post_or_free);
	crew_join(&crew);
	for (size_t i = 0; i < sizeof(sems); i++)
		CHECK_EQ(((unsigned char *)sems)[i], POISON);
}

static void who_gets_the_unit_may_free_the_semaphore(void)
{
	crew_run(2, free_by_the_waiter);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(it_counts, HARNESS_IN_RUN),
		HARNESS_CASE(too_many_units_are_an_error, HARNESS_IN_RUN),
		HARNESS_CASE(units_go_to_the_oldest_waiter, HARNESS_IN_RUN),
		HARNESS_CASE(who_gives_up_leaves_no_trace, HARNESS_IN_RUN),
		HARNESS_CASE(an_upcall_may_post, HARNESS_IN_RUN),
		HARNESS_CASE(deadlines_that_race_with_posts_lose_no_unit),
		HARNESS_CASE(a_unit_bounces_on_one_vcpu),
		HARNESS_CASE(a_unit_bounces_on_two_vcpus),
		HARNESS_CASE(who_gets_the_unit_may_free_the_semaphore),
	};

	return harness_run("sem", cases, ARRAY_SIZE(cases), argc, argv);
}
