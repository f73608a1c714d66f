/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * away.c - what it costs that no thread stalls the others
 *
 * How long a hand-off takes, from the decision until another LWP has the vCPU: the library's own clock. What the
 * monitor uses of a CPU while the process is busy, and what the whole process uses while it is idle.
 */
#include <ellula/ellula.h>
#include <errno.h>
#include <unistd.h>

#include "bench.h"

enum { HANDOFFS = 51 };

static int fds[2];

static int64_t cpu_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void *block(void *unused)
{
	char byte;

	if (read(fds[0], &byte, 1) != 1)
		bench_fail("read", errno);
	return unused;
}

/* One thread blocks its LWP; the monitor finds out. */
static double handoff_once(void)
{
	struct ell_stats before, after;
	ell_thread t;

	ell_stats_get(&before);
	BENCH_OK(ell_create(&t, NULL, block, NULL));
	do {
		ell_yield();
		ell_stats_get(&after);
	} while (after.handoffs == before.handoffs);
	if (write(fds[1], "x", 1) != 1)
		bench_fail("write", errno);
	BENCH_OK(ell_join(t, NULL));
	ell_stats_get(&after);
	return (double)(after.handoff_ns - before.handoff_ns) / (double)(after.handoffs - before.handoffs);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void handoffs(void)
{
	double ns[HANDOFFS];

	if (pipe(fds) != 0)
		bench_fail("pipe", errno);
	for (int i = 0; i < HANDOFFS; i++)
		ns[i] = handoff_once();
	qsort(ns, HANDOFFS, sizeof(*ns), by_size);
	bench_row("hand-off, median", ns[HANDOFFS / 2] / 1000, "us");
}

/* Of all kernel threads but this one there are the monitor, and spare LWPs, which sleep. */
static void busy(void)
{
	int64_t ns = bench.ms * 10000000, begin = bench_now();
	int64_t others = cpu_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_of(CLOCK_THREAD_CPUTIME_ID);

	while (bench_now() - begin < ns)
		ell_yield();
	others = cpu_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_of(CLOCK_THREAD_CPUTIME_ID) - others;
	bench_row("monitor, busy", 100.0 * (double)others / (double)(bench_now() - begin), "%");
}

static void idle(void)
{
	int64_t ns = bench.ms * 10000000, used = cpu_of(CLOCK_PROCESS_CPUTIME_ID);

	ell_sleep_until(ell_after(ns));
	bench_row("process, idle", 100.0 * (double)(cpu_of(CLOCK_PROCESS_CPUTIME_ID) - used) / (double)ns, "%");
}

static int away(void *unused)
{
	(void)unused;
	busy();
	idle();
	handoffs();
	return 0;
}

int main(int argc, char **argv)
{
	bench_options(argc, argv);
	BENCH_OK(ell_run(away, NULL));
	return 0;
}
