/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mutex.c - lock and unlock a mutex that nobody else wants
 *
 * A second thread exists meanwhile, asleep: the C library leaves the atomic instructions out of a process that has
 * only one, and such a process is not what anybody locks for. The word "alone" leaves the second thread out.
 */
#include "threads.h"

static threads_mutex mutex = THREADS_MUTEX;
static threads_mutex gate = THREADS_MUTEX;
static threads_cond opened = THREADS_COND;
static bool asleep;
static bool done;

static int64_t mutex_round(uint64_t n)
{
	int64_t start = bench_now();

	for (uint64_t i = 0; i < n; i++) {
		threads_lock(&mutex);
		threads_unlock(&mutex);
	}
	return bench_now() - start;
}

static void *mutex_sleeper(void *arg)
{
	BENCH_OK(threads_lock(&gate));
	asleep = true;
	BENCH_OK(threads_signal(&opened));
	while (!done)
		BENCH_OK(threads_wait(&opened, &gate));
	BENCH_OK(threads_unlock(&gate));
	return arg;
}

static void *mutex_bench(void *arg)
{
	threads_t t;

	(void)arg;
	if (!bench.alone) {
		BENCH_OK(threads_create(&t, mutex_sleeper, NULL));
		BENCH_OK(threads_lock(&gate));
		while (!asleep)
			BENCH_OK(threads_wait(&opened, &gate));
		BENCH_OK(threads_unlock(&gate));
	}
	bench_row("lock + unlock", bench_each(mutex_round), "ns");
	if (!bench.alone) {
		BENCH_OK(threads_lock(&gate));
		done = true;
		BENCH_OK(threads_signal(&opened));
		BENCH_OK(threads_unlock(&gate));
		BENCH_OK(threads_join(t));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, mutex_bench);
}
