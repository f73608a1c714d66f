/* SPDX-License-Identifier: BSD-2-Clause */
/* stats_test.c - what was done is counted, and LWPs are bounded */
#include <ellula/ellula.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "harness/harness.h"
#include "sched/need_handoff.h"

static void before_the_start_all_is_zero(void)
{
	struct ell_stats stats, zero = {0};

	memset(&stats, 1, sizeof(stats));
	ell_stats_get(&stats);
	CHECK(memcmp(&stats, &zero, sizeof(stats)) == 0);
}

static void *yield_often(void *unused)
{
	for (int i = 0; i < 1000; i++)
		ell_yield();
	return unused;
}

static void switches_are_counted(void)
{
	struct ell_stats before, after;
	ell_thread threads[2];

	ell_stats_get(&before);
	CHECK_EQ(before.vcpus, ell_vcpus());
	CHECK(before.lwps >= before.vcpus && before.lwps <= before.lwps_max);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(ell_create(&threads[i], NULL, yield_often, NULL), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(ell_join(threads[i], NULL), 0);
	ell_stats_get(&after);
	CHECK(after.switches > before.switches);
	CHECK(after.rounds >= before.rounds && after.sleeps >= before.sleeps && after.steals >= before.steals);
	CHECK(after.lwps <= after.lwps_max);
}

static int fds[2];
static uint32_t inside;

static void *block(void *unused)
{
	char byte;

	ell_blocking_enter();
	fetch_add_acq_rel(&inside, 1);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	ell_blocking_leave();
	return unused;
}

enum { BLOCKERS = 12, LWPS = 4 };

/* A kernel thread: for all LWPs may be blocked at one time, with the vCPU. */
static void *release_one_by_one(void *unused)
{
	struct ell_stats stats;

	for (uint32_t i = 0; i < BLOCKERS; i++) {
		/* The first one stays until its vCPU was handed over. */
		do {
			sched_yield();
			ell_stats_get(&stats);
		} while (load_acquire(&inside) <= i || !stats.handoffs);
		CHECK(stats.lwps <= LWPS && stats.lwps_away <= LWPS);
		CHECK_EQ(write(fds[1], "x", 1), 1);
	}
	return unused;
}

static void lwps_are_bounded(void)
{
	ell_thread threads[BLOCKERS];
	struct ell_stats stats;
	pthread_t releaser;

	ell_stats_get(&stats);
	CHECK_EQ(stats.lwps_max, LWPS);
	need_handoff();
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(pthread_create(&releaser, NULL, release_one_by_one, NULL), 0);
	for (int i = 0; i < BLOCKERS; i++)
		CHECK_EQ(ell_create(&threads[i], NULL, block, NULL), 0);
	for (int i = 0; i < BLOCKERS; i++)
		CHECK_EQ(ell_join(threads[i], NULL), 0);
	CHECK_EQ(pthread_join(releaser, NULL), 0);
	ell_stats_get(&stats);
	CHECK(stats.lwps > 1 && stats.lwps <= LWPS);
	CHECK(stats.handoffs > 0);
	close(fds[0]);
	close(fds[1]);
}

static void a_bound_that_is_no_number_is_an_error(void)
{
	static const char *const bad[] = {"0", "513", "4x", "-1", "x"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		setenv("ELLULA_LWPS_MAX", bad[i], 1);
		CHECK_EQ(ell_init(), -EINVAL);
	}
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(before_the_start_all_is_zero),
		HARNESS_CASE_ON_1_AND_2(switches_are_counted),
		HARNESS_CASE(lwps_are_bounded, HARNESS_IN_RUN, HARNESS_VCPUS(1)),
		HARNESS_CASE(a_bound_that_is_no_number_is_an_error),
	};

	setenv("ELLULA_LWPS_MAX", "4", 1);
	return harness_run("stats", cases, ARRAY_SIZE(cases), argc, argv);
}
