/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer.c - start a timer, revoke it, take the reply
 *
 * Most timers of a server are time-outs that never fire: so these, 1,000 at a time, with deadlines from 1 s to 61 s
 * that come in no order, revoked oldest first.
 */
#include <errno.h>

#include "threads.h"

#define TIMERS 1000

static struct ell_port port;
static struct ell_msg timers[TIMERS];

static int64_t timer_round(uint64_t n)
{
	int64_t start = bench_now();
	uint64_t random = 1;

	for (uint64_t i = 0; i < n; i++) {
		ell_time base = ell_after(ELL_SEC);

		for (int k = 0; k < TIMERS; k++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
			ell_msg_timer(&timers[k], base + (ell_time)((random >> 33) % 60000) * ELL_MSEC);
			BENCH_OK(ell_msg_send(&timers[k]));
		}
		for (int k = 0; k < TIMERS; k++)
			BENCH_OK(ell_msg_revoke(&timers[k]));
		for (int k = 0; k < TIMERS; k++) {
			struct ell_msg *m = ell_port_wait(&port, ELL_FOREVER);

			if (m->ms_result != -ECANCELED)
				bench_fail("a revoked timer", (int)m->ms_result);
		}
	}
	return bench_now() - start;
}

static void *timer_bench(void *arg)
{
	(void)arg;
	ell_port_init(&port, "timers");
	for (int k = 0; k < TIMERS; k++)
		ell_msg_init(&timers[k], &port, NULL);
	bench_row("start + revoke", bench_each(timer_round) / TIMERS, "ns");
	BENCH_OK(ell_port_finish(&port));
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, timer_bench);
}
