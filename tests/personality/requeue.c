/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * requeue.c - an ordinary program: waits that end by a timeout at the moment at which they are moved to another futex
 *
 * They are moved there and back all the time, so those that end find them in motion as a rule. Nobody wakes anybody: a
 * wait that says so believed it because its place was empty, and has left its node behind for a wake to find.
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

enum { WAITERS = 100, MOVES = 16 };

static uint32_t first, second;
static uint32_t ended;
static int rounds = 150;

static long futex(uint32_t *word, int op, uint32_t value, const void *timeout_or_count, uint32_t *other)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout_or_count, other, 0);
}

static void *waiter(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (int i = 0; i < rounds; i++) {
		const struct timespec soon = {.tv_nsec = rand_r(&seed) % 20000};

		if (futex(&first, FUTEX_WAIT, 0, &soon, NULL) == 0 || errno != ETIMEDOUT) {
			puts("a wait ended otherwise");
			fflush(NULL);
			_exit(1);
		}
	}
	__atomic_fetch_add(&ended, 1, __ATOMIC_ACQ_REL);
	return NULL;
}

int main(void)
{
	pthread_t threads[WAITERS];

	for (uintptr_t i = 0; i < WAITERS; i++) {
		if (pthread_create(&threads[i], NULL, waiter, (void *)(i + 1)) != 0)
			return 1;
	}
	while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) < WAITERS) {
		for (int i = 0; i < MOVES; i++) {
			futex(&first, FUTEX_CMP_REQUEUE, 0, (void *)INT_MAX, &second);
			futex(&second, FUTEX_CMP_REQUEUE, 0, (void *)INT_MAX, &first);
		}
		sched_yield();
	}
	for (int i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);
	printf("left %ld %ld\n", futex(&first, FUTEX_WAKE, INT_MAX, NULL, NULL),
	       futex(&second, FUTEX_WAKE, INT_MAX, NULL, NULL));
	return 0;
}
