/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - what every program here needs: options, a clock, rows
 *
 * A program prints one row per figure, "metric<tab>value<tab>unit", and bench/run does the rest. Its options are words:
 * ms=N, how long the measured part lasts at least; count=N, how many things there are; tls=shared or tls=private; and
 * "alone", which mutex.c explains.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_SKIP 77 /* the exit status of a program whose kernel cannot do what it measures */

static struct {
	int64_t ms;
	uint64_t count;
	bool shared;
	bool alone;
} bench = {.ms = 100, .count = 1000000};

static inline int64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static inline void bench_fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

/* Nothing in a benchmark may fail: a figure of something that did not happen is worse than none. */
#define BENCH_OK(call)                                                                                                 \
	do {                                                                                                           \
		int bench_error = (int)(call);                                                                         \
		if (bench_error != 0)                                                                                  \
			bench_fail(#call, bench_error);                                                                \
	} while (0)

static inline void bench_row(const char *metric, double value, const char *unit)
{
	printf("%s\t%.6g\t%s\n", metric, value, unit);
}

static inline void bench_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "ms=", 3) == 0)
			bench.ms = atoll(argv[i] + 3);
		else if (strncmp(argv[i], "count=", 6) == 0)
			bench.count = strtoull(argv[i] + 6, NULL, 10);
		else if (strcmp(argv[i], "tls=shared") == 0)
			bench.shared = true;
		else if (strcmp(argv[i], "alone") == 0)
			bench.alone = true;
		else if (strcmp(argv[i], "tls=private") != 0) {
			fprintf(stderr, "%s: what is \"%s\"?\n", argv[0], argv[i]);
			exit(2);
		}
	}
}

/*
 * Nanoseconds per operation. ROUND does N of them and returns how long that took; it is called with twice as many each
 * time, until one call lasts long enough to be believed. That takes a call of half the length before it, too: when the
 * host takes its CPU away for a while, a short call looks long. The earlier calls warm what can be warmed.
 */
static inline double bench_each(int64_t (*round)(uint64_t n))
{
	int64_t before = 0;

	for (uint64_t n = 64;; n *= 2) {
		int64_t ns = round(n);

		if (ns >= bench.ms * 1000000 && ns / 4 <= before)
			return (double)ns / (double)n;
		before = ns;
	}
}

#endif
