/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parked.c - a million threads that wait
 *
 * The clock runs from the first ell_create() until the last thread has run and parked: a thread that has only been
 * created has not touched its stack yet. Then each is unparked and joined, so that none of them can be a pretence.
 */
#include "rss.h"
#include "threads.h"

static uint64_t parked;
static uint64_t woken;

static void *parked_thread(void *arg)
{
	__atomic_fetch_add(&parked, 1, __ATOMIC_RELAXED);
	ell_park();
	__atomic_fetch_add(&woken, 1, __ATOMIC_RELAXED);
	return arg;
}

static void *parked_bench(void *arg)
{
	threads_t *all = malloc(bench.count * sizeof(*all));
	double count = (double)bench.count;
	struct rss before, after;
	int64_t start, there, back;

	(void)arg;
	if (all == NULL)
		bench_fail("malloc", errno);
	/* The program's own list of them is not what is measured. */
	memset(all, 1, bench.count * sizeof(*all));
	before = rss_now();

	start = bench_now();
	for (uint64_t i = 0; i < bench.count; i++)
		BENCH_OK(threads_create(&all[i], parked_thread, NULL));
	while (__atomic_load_n(&parked, __ATOMIC_RELAXED) < bench.count)
		threads_yield();
	there = bench_now();
	after = rss_now();

	back = bench_now();
	for (uint64_t i = 0; i < bench.count; i++)
		BENCH_OK(ell_unpark(all[i]));
	for (uint64_t i = 0; i < bench.count; i++)
		BENCH_OK(threads_join(all[i]));
	back = bench_now() - back;
	if (woken != bench.count)
		bench_fail("some threads never woke", 0);

	bench_row("threads", count, "");
	bench_row("created and parked", (double)(there - start) / 1e9, "s");
	bench_row("RSS each", (after.resident - before.resident) / count, "B");
	bench_row("page tables each", (after.tables - before.tables) / count, "B");
	bench_row("unparked and joined", (double)back / 1e9, "s");
	free(all);
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, parked_bench);
}
