/* SPDX-License-Identifier: BSD-2-Clause */
/* pipe.c - a byte goes to and fro between two threads, through two pipes */
#include <errno.h>
#include <unistd.h>

#include "threads.h"

static int pipes[2][2];
static uint64_t trips;

/* Reads from its own pipe and writes to the other's; the side that begins writes first. */
static void *pipe_side(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	char byte = 'e';

	for (uint64_t i = 0; i < trips; i++) {
		if (me == 0 && threads_write(pipes[1][1], &byte, 1) != 1)
			bench_fail("write", errno);
		if (threads_read(pipes[me][0], &byte, 1) != 1)
			bench_fail("read", errno);
		if (me == 1 && threads_write(pipes[0][1], &byte, 1) != 1)
			bench_fail("write", errno);
	}
	return NULL;
}

static int64_t pipe_round(uint64_t n)
{
	int64_t start = bench_now();
	threads_t t[2];

	trips = n;
	for (uintptr_t i = 0; i < 2; i++)
		BENCH_OK(threads_create(&t[i], pipe_side, (void *)i));
	for (int i = 0; i < 2; i++)
		BENCH_OK(threads_join(t[i]));
	return bench_now() - start;
}

static void *pipe_bench(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++)
		if (pipe(pipes[i]) != 0)
			bench_fail("pipe", errno);
	bench_row("round trip", bench_each(pipe_round), "ns");
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, pipe_bench);
}
