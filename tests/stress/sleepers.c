/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sleepers.c - very many threads sleep for a second, and all wake, none too early
 *
 * ELLULA_STRESS=n in the environment asks for n threads instead of 100,000.
 */
#include <ellula/ellula.h>
#include <stdlib.h>

#include "thread/threads.h"

static unsigned wanted(void)
{
	const char *text = getenv("ELLULA_STRESS");

#ifdef WITH_TSAN
	return text ? (unsigned)atoi(text) : 1000;
#else
	return guards_fit(text ? (unsigned)atoi(text) : MANY(100000, 10000));
#endif
}

static unsigned awake;
static int64_t latest;

static void *sleep_a_second(void *arg)
{
	ell_time until = ell_after(ELL_SEC);
	int64_t late, before;

	CHECK_EQ(ell_sleep_until(until), 0);
	late = ell_now() - until;
	CHECK(late >= 0);
	before = load_relaxed(&latest);
	while (late > before && !cas_acq_rel(&latest, &before, late))
		;
	fetch_add_relaxed(&awake, 1);
	return arg;
}

/* Deadlines that are all different, some waited for, some taken back by a permit. */
static void *sleep_in_pieces(void *arg)
{
	uint64_t seed = (uintptr_t)arg * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (unsigned i = 0; i < 5; i++) {
		ell_time until = ell_after(random_below(&seed, 200000) * ELL_USEC);

		if (!ell_park_until(until))
			CHECK(ell_now() >= until);
	}
	fetch_add_relaxed(&awake, 1);
	return arg;
}

static void sleep_all(void *(*fn)(void *), bool disturbed)
{
	unsigned n = wanted();
	ell_thread *threads = calloc(n, sizeof(*threads));
	ell_time begin = ell_now();
	uint64_t seed = harness_seed() | 1;

	CHECK(threads != NULL);
	for (uintptr_t i = 0; i < n; i++)
		threads[i] = start(fn, (void *)i);
	while (disturbed && load_relaxed(&awake) < n / 2) {
		for (unsigned i = 0; i < 100; i++)
			ell_unpark(threads[random_below(&seed, n)]);
		sleep_for(ELL_MSEC);
	}
	for (uintptr_t i = 0; i < n; i++)
		CHECK(join(threads[i]) == (void *)i);
	NOTE("%u threads: %lld ms in all, the latest %lld ms late", n, (long long)((ell_now() - begin) / ELL_MSEC),
	     (long long)(latest / ELL_MSEC));
	CHECK_EQ(awake, n);
	free(threads);
}

static void all_who_sleep_a_second_wake(void)
{
	sleep_all(sleep_a_second, false);
}

static void all_who_sleep_in_pieces_wake(void)
{
	sleep_all(sleep_in_pieces, true);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(all_who_sleep_a_second_wake, HARNESS_SECONDS(180)),
		HARNESS_CASE_ON_1_AND_2(all_who_sleep_in_pieces_wake, HARNESS_SECONDS(180)),
	};

	return harness_run("sleepers", cases, ARRAY_SIZE(cases), argc, argv);
}
