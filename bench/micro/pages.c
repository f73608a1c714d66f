/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pages.c - the peer of a million threads: touch a fresh page in each of a million slots
 *
 * A thread that has run has touched its stack, so nobody creates threads faster than this. The mapping is what a pool
 * of stacks needs: 64 KiB slots, no huge pages, no reserve; the page touched is the top one, where a stack begins.
 */
#include <errno.h>
#include <sys/mman.h>

#include "bench.h"
#include "rss.h"

#define SLOT 65536

int main(int argc, char **argv)
{
	int64_t start, ns;
	struct rss before, after;
	size_t size;
	char *slots;

	bench_options(argc, argv);
	size = bench.count * SLOT;
	before = rss_now();
	start = bench_now();
	slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slots == MAP_FAILED)
		bench_fail("mmap", errno);
	/* Refused by a kernel that has no huge pages to refuse. */
	madvise(slots, size, MADV_NOHUGEPAGE);
	for (uint64_t i = 1; i <= bench.count; i++)
		slots[i * SLOT - 64] = 1;
	ns = bench_now() - start;
	after = rss_now();

	bench_row("touched", (double)ns / 1e9, "s");
	bench_row("RSS each", (after.resident - before.resident) / (double)bench.count, "B");
	bench_row("page tables each", (after.tables - before.tables) / (double)bench.count, "B");
	return 0;
}
