/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fair.c - thousands of threads that talk in pairs over sockets, alone, and beside four that compute for ever
 *
 * A round trip is timed by who begins it. What those that compute get is compared with what as many kernel threads
 * would get beside one per vCPU: the machine's CPUs divided by all of them.
 */
#include <ellula/ellula.h>
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { COMPUTERS = 4, SAMPLES = 1 << 20 };

static struct pair {
	ell_thread threads[2];
	int fds[2];
} * pairs;
static unsigned count;
static uint32_t samples[SAMPLES]; /* microseconds */
static unsigned taken;
static unsigned stop, stop_computing;
static int64_t computed[COMPUTERS];

static bool is_over(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void *serve(void *arg)
{
	const struct pair *p = arg;
	char byte;

	while (ell_recv(p->fds[1], &byte, 1, 0) == 1 && ell_send(p->fds[1], &byte, 1, MSG_NOSIGNAL) == 1)
		;
	return NULL;
}

static void *ask(void *arg)
{
	const struct pair *p = arg;
	char byte = 'f';

	while (!is_over()) {
		int64_t begin = bench_now();
		unsigned at;

		if (ell_send(p->fds[0], &byte, 1, MSG_NOSIGNAL) != 1 || ell_recv(p->fds[0], &byte, 1, 0) != 1)
			bench_fail("round trip", errno);
		at = __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
		if (at < SAMPLES)
			samples[at] = (uint32_t)((bench_now() - begin) / 1000);
	}
	ell_shutdown(p->fds[0], SHUT_RDWR);
	return NULL;
}

static void *compute(void *arg)
{
	int64_t *ns = arg;
	struct timespec from, to;

	/* It stays on one kernel thread, for it does not switch. */
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	while (!__atomic_load_n(&stop_computing, __ATOMIC_RELAXED))
		;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	*ns = (to.tv_sec - from.tv_sec) * INT64_C(1000000000) + to.tv_nsec - from.tv_nsec;
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void connect_pair(struct pair *p)
{
	for (int i = 0; i < 2; i++)
		p->fds[i] = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p->fds) != 0)
		bench_fail("socketpair", errno);
}

/* The 99th percentile of a second of round trips, in milliseconds. */
static double talk(void)
{
	unsigned n;

	stop = taken = 0;
	for (unsigned i = 0; i < count; i++) {
		connect_pair(&pairs[i]);
		BENCH_OK(ell_create(&pairs[i].threads[0], NULL, serve, &pairs[i]));
		BENCH_OK(ell_create(&pairs[i].threads[1], NULL, ask, &pairs[i]));
	}
	ell_sleep_until(ell_after(bench.ms * 10 * ELL_MSEC));
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < count; i++) {
		for (int k = 0; k < 2; k++)
			BENCH_OK(ell_join(pairs[i].threads[k], NULL));
		for (int k = 0; k < 2; k++)
			ell_close(pairs[i].fds[k]);
	}
	n = taken < SAMPLES ? taken : SAMPLES;
	if (n == 0)
		bench_fail("not one round trip", ETIMEDOUT);
	qsort(samples, n, sizeof(*samples), by_size);
	return samples[(uint64_t)n * 99 / 100] / 1000.0;
}

static int cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int fair(void *unused)
{
	ell_thread computers[COMPUTERS];
	int64_t begin, passed, least = INT64_MAX;
	double due;

	(void)unused;
	talk(); /* stacks and sockets are warm */
	bench_row("p99, alone", talk(), "ms");
	begin = bench_now();
	for (int i = 0; i < COMPUTERS; i++)
		BENCH_OK(ell_create(&computers[i], NULL, compute, &computed[i]));
	bench_row("p99, beside 4 that compute", talk(), "ms");
	__atomic_store_n(&stop_computing, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < COMPUTERS; i++)
		BENCH_OK(ell_join(computers[i], NULL));
	passed = bench_now() - begin;
	for (int i = 0; i < COMPUTERS; i++)
		least = computed[i] < least ? computed[i] : least;
	due = (double)passed * cpus() / (COMPUTERS + ell_vcpus());
	bench_row("CPU of who computes least, of its share", 100 * (double)least / due, "%");
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit most;

	bench.count = 10000;
	bench_options(argc, argv);
	count = (unsigned)bench.count / 2;
	getrlimit(RLIMIT_NOFILE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	pairs = calloc(count, sizeof(*pairs));
	if (!pairs)
		bench_fail("calloc", ENOMEM);
	BENCH_OK(ell_run(fair, NULL));
	return 0;
}
