/* SPDX-License-Identifier: BSD-2-Clause */
/* yield.c - threads in a ring give the CPU to each other */
#include "threads.h"

#define RING 8

static threads_t ring[RING];
static uint64_t turns;	  /* of each thread */
static uint64_t switches; /* that really happened */
static long running;	  /* who ran last */

/* A yield that returns to its caller at once is not a switch, and is not counted as one: hence the name left behind. */
static void *yield_member(void *arg)
{
	long me = (long)arg;
	uint64_t mine = 0;

	for (uint64_t i = 0; i < turns; i++) {
		if (__atomic_load_n(&running, __ATOMIC_RELAXED) != me) {
			__atomic_store_n(&running, me, __ATOMIC_RELAXED);
			mine++;
		}
		threads_yield();
	}
	__atomic_fetch_add(&switches, mine, __ATOMIC_RELAXED);
	return NULL;
}

static int64_t yield_round(uint64_t n)
{
	int64_t start;

	turns = n / RING;
	switches = 0;
	running = -1;
	start = bench_now();
	for (long i = 0; i < RING; i++)
		BENCH_OK(threads_create(&ring[i], yield_member, (void *)i));
	for (long i = 0; i < RING; i++)
		BENCH_OK(threads_join(ring[i]));
	return bench_now() - start;
}

static void *yield_bench(void *arg)
{
	double each = bench_each(yield_round);
	double share = (double)switches / (double)(turns * RING);

	(void)arg;
	bench_row("per switch", each / share, "ns");
	bench_row("yields that switched", 100 * share, "%");
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, yield_bench);
}
