/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handoff.c - an ordinary program: two threads take turns, by mutex and condition variable; prints the time of a turn
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn, rounds = 10000;
static long sum;

static void *player(void *arg)
{
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < rounds; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != me)
			pthread_cond_wait(&changed, &mutex);
		sum += i * (me + 1);
		turn = !me;
		pthread_cond_signal(&changed);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct timespec begin, end;
	pthread_t players[2];

	if (argc > 1)
		rounds = atoi(argv[1]);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 2; i++)
		pthread_create(&players[i], NULL, player, (void *)(intptr_t)i);
	for (int i = 0; i < 2; i++)
		pthread_join(players[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("sum %ld\n", sum);
	fprintf(stderr, "handoff %.1f ns\n",
		((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / (2.0 * rounds));
	return 0;
}
