/* SPDX-License-Identifier: BSD-2-Clause */
/* nop.c - 32 messages that do nothing go to the kernel, and 32 replies are taken from a port */
#include "threads.h"

#define BATCH 32

static struct ell_port port;
static struct ell_msg msgs[BATCH];

/* A message is prepared anew each time, as the ring's entry is in nop_liburing.c. */
static int64_t nop_round(uint64_t n)
{
	int64_t start = bench_now();

	for (uint64_t i = 0; i < n; i++) {
		for (int k = 0; k < BATCH; k++) {
			ell_msg_nop(&msgs[k]);
			BENCH_OK(ell_msg_send(&msgs[k]));
		}
		for (int k = 0; k < BATCH; k++) {
			struct ell_msg *m = ell_port_wait(&port, ELL_FOREVER);

			if (m->ms_result != 0 || m->ms_tag != m)
				bench_fail("nop", (int)m->ms_result);
		}
	}
	return bench_now() - start;
}

static void *nop_bench(void *arg)
{
	(void)arg;
	ell_port_init(&port, "nop");
	for (int k = 0; k < BATCH; k++)
		ell_msg_init(&msgs[k], &port, &msgs[k]);
	bench_row("per message", bench_each(nop_round) / BATCH, "ns");
	BENCH_OK(ell_port_finish(&port));
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, nop_bench);
}
