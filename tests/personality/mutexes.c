/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mutexes.c - an ordinary program: eight threads, and everything they share: a mutex, an error-checking and a recursive
 * one, a reader-writer lock, a barrier, a semaphore, malloc's arenas, and stdio
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 2000 };

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER, checking, recursive;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static long counts[5];

static void *work(void *arg)
{
	FILE *sink = arg;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < ROUNDS; i++) {
		char *p;

		pthread_mutex_lock(&plain);
		counts[0]++;
		/* Held over a switch, so that the others wait. */
		if (i % 16 == 0)
			sched_yield();
		pthread_mutex_unlock(&plain);

		pthread_mutex_lock(&recursive);
		pthread_mutex_lock(&recursive);
		counts[1]++;
		pthread_mutex_unlock(&recursive);
		pthread_mutex_unlock(&recursive);

		pthread_mutex_lock(&checking);
		counts[2] += pthread_mutex_lock(&checking) == EDEADLK;
		pthread_mutex_unlock(&checking);

		if (i % 8 == 0) {
			pthread_rwlock_wrlock(&rwlock);
			counts[3]++;
			if (i % 64 == 0)
				usleep(1);
			pthread_rwlock_unlock(&rwlock);
		} else {
			pthread_rwlock_rdlock(&rwlock);
			pthread_rwlock_unlock(&rwlock);
		}

		sem_wait(&sem);
		counts[4]++;
		sem_post(&sem);

		p = malloc((size_t)(i % 50) * 100 + 1);
		memset(p, i, 1);
		free(p);
		fprintf(sink, "%d\n", i);
		if (i % 500 == 0)
			pthread_barrier_wait(&barrier);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	pthread_mutexattr_t attr;
	FILE *sink = tmpfile();

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&checking, &attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&recursive, &attr);
	pthread_barrier_init(&barrier, NULL, THREADS);
	sem_init(&sem, 0, 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, sink);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		printf("%ld\n", counts[i]);
	printf("%ld bytes\n", ftell(sink));
	return 0;
}
