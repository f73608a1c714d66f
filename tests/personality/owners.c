/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * owners.c - an ordinary program: locks that know their owner. Robust mutexes whose owners end without a word, and
 * mutexes that inherit priority, with deadlines
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 2000 };

static pthread_mutex_t robust[3], heir;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static sem_t taken;
static long sum;

static void make(pthread_mutex_t *mutex, int robustness, int protocol)
{
	pthread_mutexattr_t attr;
	int error;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, robustness);
	pthread_mutexattr_setprotocol(&attr, protocol);
	error = pthread_mutex_init(mutex, &attr);
	if (error)
		printf("pthread_mutex_init: %s\n", strerror(error));
	pthread_mutexattr_destroy(&attr);
}

static void *take_all_and_end(void *arg)
{
	for (int i = 0; i < 3; i++)
		pthread_mutex_lock(&robust[i]);
	/* Until somebody waits for the second: who does says so in the word of the lock. */
	sem_post(&taken);
	while (!((unsigned)__atomic_load_n(&robust[1].__data.__lock, __ATOMIC_RELAXED) & FUTEX_WAITERS))
		sched_yield();
	return arg;
}

static void *wait_for_second(void *arg)
{
	int error;

	sem_wait(&taken);
	error = pthread_mutex_lock(&robust[1]);
	printf("who waited: %s\n", strerror(error));
	pthread_mutex_consistent(&robust[1]);
	pthread_mutex_unlock(&robust[1]);
	return arg;
}

static void robust_ones(void)
{
	pthread_t threads[2];

	sem_init(&taken, 0, 0);
	for (int i = 0; i < 3; i++)
		make(&robust[i], PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	pthread_create(&threads[0], NULL, take_all_and_end, NULL);
	pthread_create(&threads[1], NULL, wait_for_second, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("first: %s\n", strerror(pthread_mutex_lock(&robust[0])));
	pthread_mutex_consistent(&robust[0]);
	pthread_mutex_unlock(&robust[0]);
	printf("first again: %s\n", strerror(pthread_mutex_lock(&robust[0])));
	pthread_mutex_unlock(&robust[0]);
	/* Not made consistent: nobody gets it any more. */
	printf("third: %s\n", strerror(pthread_mutex_lock(&robust[2])));
	pthread_mutex_unlock(&robust[2]);
	printf("third again: %s\n", strerror(pthread_mutex_lock(&robust[2])));
}

static void *add(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		long seen;

		pthread_mutex_lock(&heir);
		seen = sum;
		/* Held over a switch, so that the others wait. */
		if (i % 8 == 0)
			sched_yield();
		sum = seen + 1;
		pthread_mutex_unlock(&heir);
	}
	return arg;
}

static void *take_turns(void *arg)
{
	long me = (long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&heir);
		while (sum % 2 != me)
			pthread_cond_wait(&turn, &heir);
		sum++;
		pthread_cond_broadcast(&turn);
		pthread_mutex_unlock(&heir);
	}
	return NULL;
}

static void *try(void *arg)
{
	struct timespec until;

	printf("trylock: %s\n", strerror(pthread_mutex_trylock(&heir)));
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 5000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	printf("timedlock: %s\n", strerror(pthread_mutex_timedlock(&heir, &until)));
	return arg;
}

static void those_that_inherit(void)
{
	pthread_t threads[THREADS];

	make(&heir, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, add, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("sum %ld\n", sum);
	sum = 0;
	for (long i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, take_turns, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("turns %ld\n", sum);
	pthread_mutex_lock(&heir);
	pthread_create(&threads[0], NULL, try, NULL);
	pthread_join(threads[0], NULL);
	pthread_mutex_unlock(&heir);
	pthread_create(&threads[0], NULL, try, NULL);
	pthread_join(threads[0], NULL);
}

int main(void)
{
	robust_ones();
	those_that_inherit();
	return 0;
}
