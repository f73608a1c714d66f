/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * requeue.c - an ordinary program: waits that end by a timeout at the moment at which they are moved to another futex
 *
 * Each wait ends once, with 0 or ETIMEDOUT, and a node of one that is over is in no list: the next wake would find it.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WAITERS = 100 };

static uint32_t first, second;
static uint32_t ended;
static int rounds = 1000;

static long futex(uint32_t *word, int op, uint32_t value, const void *timeout_or_count, uint32_t *other)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout_or_count, other, 0);
}

static void *waiter(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (int i = 0; i < rounds; i++) {
		const struct timespec soon = {.tv_nsec = rand_r(&seed) % 20000};

		if (futex(&first, FUTEX_WAIT, 0, &soon, NULL) != 0 && errno != ETIMEDOUT)
			return "a wait ended otherwise";
	}
	__atomic_fetch_add(&ended, 1, __ATOMIC_ACQ_REL);
	return NULL;
}

int main(void)
{
	pthread_t threads[WAITERS];
	int failed = 0;

	for (uintptr_t i = 0; i < WAITERS; i++) {
		if (pthread_create(&threads[i], NULL, waiter, (void *)(i + 1)) != 0)
			return 1;
	}
	while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) < WAITERS) {
		futex(&first, FUTEX_CMP_REQUEUE, 0, (void *)INT_MAX, &second);
		futex(&second, FUTEX_WAKE, 1, NULL, NULL);
		sched_yield();
	}
	for (int i = 0; i < WAITERS; i++) {
		void *what;

		pthread_join(threads[i], &what);
		if (what) {
			puts(what);
			failed = 1;
		}
	}
	puts("done");
	return failed;
}
