/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * contended.c - eight threads want one mutex all the time
 *
 * "Held over a yield": who has it lets others run, so all of them come to wait for it, on one CPU, too. "Held for
 * work": each holds it for as long as it does without, some hundred nanoseconds; on one CPU somebody has to wait only
 * when the holder's time is up.
 */
#include "threads.h"

enum { THREADS = 8, WORK = 100 };

static threads_mutex mutex = THREADS_MUTEX;
static uint64_t shared;
static bool yields;

static void contended_work(uint64_t *value)
{
	for (int i = 0; i < WORK; i++) {
		*value = *value * 6364136223846793005 + 1;
		__asm__ volatile("" : "+m"(*value));
	}
}

static void *contended_side(void *arg)
{
	uint64_t own = 0;

	for (uint64_t n = *(uint64_t *)arg / THREADS; n > 0; n--) {
		threads_lock(&mutex);
		contended_work(&shared);
		if (yields)
			threads_yield();
		threads_unlock(&mutex);
		contended_work(&own);
	}
	return NULL;
}

static int64_t contended_round(uint64_t n)
{
	int64_t start = bench_now();
	threads_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		BENCH_OK(threads_create(&t[i], contended_side, &n));
	for (int i = 0; i < THREADS; i++)
		BENCH_OK(threads_join(t[i]));
	return bench_now() - start;
}

static void *contended_bench(void *arg)
{
	(void)arg;
	bench_row("held for work", bench_each(contended_round), "ns");
	yields = true;
	bench_row("held over a yield", bench_each(contended_round), "ns");
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, contended_bench);
}
