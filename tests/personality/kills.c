/* SPDX-License-Identifier: BSD-2-Clause */
/* kills.c - an ordinary program: threads that compute, and make no call, get signals, and are cancelled */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SIGNALS = 200, CANCELS = 20 };

static uint32_t begun, got;
static __thread uint32_t own;

static void on_signal(int number)
{
	(void)number;
	own++;
	__atomic_fetch_add(&got, 1, __ATOMIC_ACQ_REL);
}

static void *count_signals(void *arg)
{
	__atomic_store_n(&begun, 1, __ATOMIC_RELEASE);
	while (*(volatile uint32_t *)&own < SIGNALS)
		;
	return arg;
}

static void *compute_for_ever(void *arg)
{
	int before;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before);
	__atomic_store_n(&begun, 1, __ATOMIC_RELEASE);
	for (volatile unsigned long i = 0;; i++)
		;
	return arg;
}

static void wait_until(const uint32_t *word, uint32_t value)
{
	const struct timespec nap = {.tv_nsec = 20000};

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value)
		nanosleep(&nap, NULL);
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t thread;
	int cancelled = 0;

	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, count_signals, NULL);
	wait_until(&begun, 1);
	for (uint32_t i = 1; i <= SIGNALS; i++) {
		pthread_kill(thread, SIGUSR1);
		wait_until(&got, i);
	}
	pthread_join(thread, NULL);
	for (int i = 0; i < CANCELS; i++) {
		void *result;

		begun = 0;
		pthread_create(&thread, NULL, compute_for_ever, NULL);
		wait_until(&begun, 1);
		pthread_cancel(thread);
		pthread_join(thread, &result);
		cancelled += result == PTHREAD_CANCELED;
	}
	printf("%u signals, %d cancelled\n", got, cancelled);
	return 0;
}
