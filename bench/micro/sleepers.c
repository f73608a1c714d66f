/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sleepers.c - a million threads sleep for a second each
 *
 * Twice in one process: cold, each thread's stack is a fresh page; warm, the stacks are those of the first time.
 * The figure is the time from the first ell_create() until the last one is awake. A sleeper that wakes too early
 * spoils the run.
 */
#include <errno.h>

#include "threads.h"

static ell_time last;
static uint64_t early;

static void *sleeper(void *arg)
{
	ell_time until = ell_after(ELL_SEC);
	ell_time now, seen = 0;

	ell_sleep_until(until);
	now = ell_now();
	if (now < until)
		__atomic_fetch_add(&early, 1, __ATOMIC_RELAXED);
	while (seen < now && !__atomic_compare_exchange_n(&last, &seen, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		continue;
	return arg;
}

static void sleepers_round(threads_t *all, const char *metric)
{
	ell_time start = ell_now();

	for (uint64_t i = 0; i < bench.count; i++)
		BENCH_OK(threads_create(&all[i], sleeper, NULL));
	for (uint64_t i = 0; i < bench.count; i++)
		BENCH_OK(threads_join(all[i]));
	if (early > 0) {
		fprintf(stderr, "%llu sleepers woke too early\n", (unsigned long long)early);
		exit(1);
	}
	bench_row(metric, (double)(last - start) / 1e9, "s");
}

static void *sleepers_bench(void *arg)
{
	threads_t *all = malloc(bench.count * sizeof(*all));

	(void)arg;
	if (all == NULL)
		bench_fail("malloc", errno);
	memset(all, 1, bench.count * sizeof(*all));
	bench_row("threads", (double)bench.count, "");
	sleepers_round(all, "last awake, cold");
	sleepers_round(all, "last awake, warm");
	free(all);
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, sleepers_bench);
}
