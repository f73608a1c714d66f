/* SPDX-License-Identifier: BSD-2-Clause */
/* handoff.c - two threads hand a turn to each other, with a mutex and a condition variable */
#include "threads.h"

static threads_mutex mutex = THREADS_MUTEX;
static threads_cond cond = THREADS_COND;
static uint64_t turns; /* still to be taken, by both */

/* Even turns are one thread's, odd ones the other's: who finds the other's turn waits for it. */
static void *handoff_side(void *arg)
{
	uint64_t me = (uint64_t)(uintptr_t)arg;

	BENCH_OK(threads_lock(&mutex));
	for (;;) {
		while (turns > 0 && turns % 2 != me)
			BENCH_OK(threads_wait(&cond, &mutex));
		if (turns == 0)
			break;
		turns--;
		BENCH_OK(threads_signal(&cond));
	}
	BENCH_OK(threads_unlock(&mutex));
	return NULL;
}

static int64_t handoff_round(uint64_t n)
{
	int64_t start = bench_now();
	threads_t t[2];

	turns = n;
	for (uintptr_t i = 0; i < 2; i++)
		BENCH_OK(threads_create(&t[i], handoff_side, (void *)i));
	for (int i = 0; i < 2; i++)
		BENCH_OK(threads_join(t[i]));
	return bench_now() - start;
}

static void *handoff_bench(void *arg)
{
	(void)arg;
	bench_row("per hand-off", bench_each(handoff_round), "ns");
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, handoff_bench);
}
