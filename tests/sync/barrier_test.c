/* SPDX-License-Identifier: BSD-2-Clause */
/* barrier_test.c - what <ellula/sync.h> promises of a barrier */
#include <errno.h>
#include <string.h>

#include "sync/crew.h"

static struct ell_barrier barrier;
static struct crew crew;

static void a_barrier_of_none_is_an_error(void)
{
	CHECK_EQ(ell_barrier_init(&barrier, 0), EINVAL);
	CHECK_EQ(ell_barrier_wait(&barrier), EINVAL);
}

static void a_barrier_of_one_never_waits(void)
{
	CHECK_EQ(ell_barrier_init(&barrier, 1), 0);
	CHECK_EQ(ell_barrier_wait(&barrier), ELL_BARRIER_SERIAL);
	CHECK_EQ(ell_barrier_wait(&barrier), ELL_BARRIER_SERIAL);
	CHECK_EQ(ell_barrier_finish(&barrier), 0);
}

static void meet(struct hand *hand)
{
	(void)hand;
	CHECK_EQ(ell_barrier_wait(&barrier), 0);
}

static void finishing_with_waiters_gives_EBUSY(void)
{
	CHECK_EQ(ell_barrier_init(&barrier, 3), 0);
	crew_start(&crew, 1, 1, meet);
	WAIT_FOR(WAITERS(barrier.br_waiters) == 2);
	CHECK_EQ(ell_barrier_finish(&barrier), EBUSY);
	CHECK_EQ(ell_barrier_wait(&barrier), ELL_BARRIER_SERIAL);
	crew_join(&crew);
	CHECK_EQ(ell_barrier_finish(&barrier), 0);
}

/*
 * In each round everybody counts itself in the slot of the round: all of the last round must be there after it.
 */
enum { ROUNDS = 25000, HANDS = 4 };

static unsigned here[ROUNDS];
static unsigned serial[ROUNDS];

static void meet_often(struct hand *hand)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		int rc;

		fetch_add_relaxed(&here[i], 1);
		if (crew_random(hand, 16) == 0)
			ell_yield();
		rc = ell_barrier_wait(&barrier);
		CHECK_EQ(load_relaxed(&here[i]), HANDS);
		if (rc)
			CHECK_EQ(rc, ELL_BARRIER_SERIAL);
		fetch_add_relaxed(&serial[i], rc != 0);
	}
}

static void race(void)
{
	CHECK_EQ(ell_barrier_init(&barrier, HANDS), 0);
	crew_start(&crew, HANDS / 2, HANDS / 2, meet_often);
	crew_join(&crew);
	for (unsigned i = 0; i < ROUNDS; i++)
		CHECK_EQ(serial[i], 1);
	CHECK_EQ(ell_barrier_finish(&barrier), 0);
}

static void nobody_goes_on_before_all_are_there_and_one_is_told_on_one_vcpu(void)
{
	crew_run(1, race);
}

static void nobody_goes_on_before_all_are_there_and_one_is_told_on_two_vcpus(void)
{
	crew_run(2, race);
}

/* Lifetime: the first one to return overwrites the memory, which must stay so. */
enum { POISON = 0xa5 };

static struct ell_barrier barriers[ROUNDS];

static void meet_and_free(struct hand *hand)
{
	(void)hand;
	for (unsigned i = 0; i < ROUNDS; i++) {
		CHECK(ell_barrier_wait(&barriers[i]) <= 0);
		if (fetch_add_relaxed(&here[i], 1) == 0)
			memset(&barriers[i], POISON, sizeof(barriers[i]));
	}
}

static void free_by_the_first(void)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		CHECK_EQ(ell_barrier_init(&barriers[i], HANDS), 0);
	crew_start(&crew, HANDS / 2, HANDS / 2, meet_and_free);
	crew_join(&crew);
	for (size_t i = 0; i < sizeof(barriers); i++)
		CHECK_EQ(((unsigned char *)barriers)[i], POISON);
}

static void whoever_returns_first_may_free_it(void)
{
	crew_run(2, free_by_the_first);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_barrier_of_none_is_an_error, HARNESS_IN_RUN),
		HARNESS_CASE(a_barrier_of_one_never_waits, HARNESS_IN_RUN),
		HARNESS_CASE(finishing_with_waiters_gives_EBUSY, HARNESS_IN_RUN),
		HARNESS_CASE(nobody_goes_on_before_all_are_there_and_one_is_told_on_one_vcpu),
		HARNESS_CASE(nobody_goes_on_before_all_are_there_and_one_is_told_on_two_vcpus),
		HARNESS_CASE(whoever_returns_first_may_free_it),
	};

	return harness_run("barrier", cases, ARRAY_SIZE(cases), argc, argv);
}
