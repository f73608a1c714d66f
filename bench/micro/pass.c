/* SPDX-License-Identifier: BSD-2-Clause */
/* pass.c - a system call that does next to nothing, and is answered by the kernel */
#include "threads.h"

#include <sys/syscall.h>

static int64_t pass_round(uint64_t n)
{
	int64_t start = bench_now();

	for (uint64_t i = 0; i < n; i++)
		syscall(SYS_getppid);
	return bench_now() - start;
}

static void *pass_bench(void *arg)
{
	(void)arg;
	bench_row("getppid", bench_each(pass_round), "ns");
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, pass_bench);
}
