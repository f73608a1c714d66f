/* SPDX-License-Identifier: BSD-2-Clause */
/* create.c - an ordinary program: threads are made and joined, one by one and detached; prints the time of one */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static __thread long own;
static sem_t done;

static void *work(void *arg)
{
	void *p = malloc(100);

	own += (long)(intptr_t)arg;
	free(p);
	errno = (int)own;
	return (void *)(intptr_t)(own == errno ? own : -1);
}

static void *detached(void *arg)
{
	sem_post(&done);
	return arg;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 2000, sum = 0;
	struct timespec begin, end;
	pthread_attr_t attr;
	pthread_t thread;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (long i = 0; i < count; i++) {
		void *result;

		if (pthread_create(&thread, NULL, work, (void *)(intptr_t)i) != 0)
			return 1;
		pthread_join(thread, &result);
		sum += (long)(intptr_t)result;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	sem_init(&done, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (long i = 0; i < 200; i++)
		pthread_create(&thread, &attr, detached, NULL);
	for (long i = 0; i < 200; i++)
		sem_wait(&done);
	printf("sum %ld\n", sum);
	fprintf(stderr, "create %.1f ns\n",
		((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / (double)count);
	return 0;
}
