/* SPDX-License-Identifier: BSD-2-Clause */
/* create.c - make a thread that does nothing, and join it */
#include "threads.h"

#define BATCH 100

static void *create_nothing(void *arg)
{
	return arg;
}

static int64_t create_one(uint64_t n)
{
	int64_t start = bench_now();
	threads_t t;

	for (uint64_t i = 0; i < n; i++) {
		BENCH_OK(threads_create(&t, create_nothing, NULL));
		BENCH_OK(threads_join(t));
	}
	return bench_now() - start;
}

static int64_t create_batch(uint64_t n)
{
	int64_t start = bench_now();
	threads_t t[BATCH];

	for (uint64_t i = 0; i < n; i++) {
		for (int k = 0; k < BATCH; k++)
			BENCH_OK(threads_create(&t[k], create_nothing, NULL));
		for (int k = 0; k < BATCH; k++)
			BENCH_OK(threads_join(t[k]));
	}
	return bench_now() - start;
}

static void *create_bench(void *arg)
{
	(void)arg;
	bench_row("create + join", bench_each(create_one), "ns");
	bench_row("create + join, 100 at a time", bench_each(create_batch) / BATCH, "ns");
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, create_bench);
}
