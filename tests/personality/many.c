/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * many.c - an ordinary program: ten thousand threads at once, or as many as it is told, all waiting, first for time and
 * then for each other; with "default" as the second word, on stacks of the default size; with "beside", there is some
 * memory between each two stacks
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_there = PTHREAD_COND_INITIALIZER;
static long there, count = 10000;

static void *wait(void *arg)
{
	usleep(1000);
	pthread_mutex_lock(&mutex);
	if (++there == count)
		pthread_cond_broadcast(&all_there);
	while (there < count)
		pthread_cond_wait(&all_there, &mutex);
	pthread_mutex_unlock(&mutex);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;
	pthread_t *threads;
	int beside;

	if (argc > 1)
		count = atol(argv[1]);
	threads = calloc((size_t)count, sizeof(*threads));
	pthread_attr_init(&attr);
	beside = argc > 2 && strcmp(argv[2], "beside") == 0;
	if (argc < 3 || beside)
		pthread_attr_setstacksize(&attr, 65536);
	for (long i = 0; i < count; i++) {
		if (beside &&
		    mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			return 2;
		if (pthread_create(&threads[i], &attr, wait, NULL) != 0) {
			printf("only %ld\n", i);
			return 1;
		}
	}
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("%ld threads\n", there);
	free(threads);
	return 0;
}
