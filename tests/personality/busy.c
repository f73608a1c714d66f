/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * busy.c - an ordinary program: threads that only compute, beside others that talk to each other through sockets
 *
 * Those that compute end when the others have said all they had to, and not before: one that kept them from running
 * would do so for ever. One of them blocks all signals, one runs in a handler.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS = 4, COMPUTING = 4, ROUNDS = 50 };

static uint32_t talking = 2 * PAIRS;
static long sums[COMPUTING];

static void *talk(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char c = 0;

	for (int i = 0; i < ROUNDS; i++) {
		if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
			return "a pair stopped talking";
	}
	__atomic_fetch_sub(&talking, 1, __ATOMIC_ACQ_REL);
	return NULL;
}

static void compute_until_all_is_said(long *sum)
{
	while (__atomic_load_n(&talking, __ATOMIC_ACQUIRE) > 0)
		++*sum;
}

static __thread long *own_sum;

static void on_signal(int number)
{
	(void)number;
	compute_until_all_is_said(own_sum);
}

static void *compute(void *arg)
{
	long *sum = arg;
	sigset_t all;

	if (sum == &sums[0]) {
		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, NULL);
	}
	own_sum = sum;
	if (sum == &sums[1])
		raise(SIGUSR1);
	else
		compute_until_all_is_said(sum);
	return NULL;
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t computing[COMPUTING], talking_threads[2 * PAIRS];
	int failed = 0;

	sigfillset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < PAIRS; i++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
			return 1;
		for (int j = 0; j < 2; j++)
			pthread_create(&talking_threads[2 * i + j], NULL, talk, (void *)(intptr_t)ends[j]);
	}
	for (int i = 0; i < COMPUTING; i++)
		pthread_create(&computing[i], NULL, compute, &sums[i]);
	for (int i = 0; i < 2 * PAIRS; i++) {
		void *what;

		pthread_join(talking_threads[i], &what);
		if (what) {
			puts(what);
			failed = 1;
		}
	}
	for (int i = 0; i < COMPUTING; i++)
		pthread_join(computing[i], NULL);
	puts("all was said");
	return failed;
}
