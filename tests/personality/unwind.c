/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unwind.c - an ordinary program: a handler that interrupts a system call sees who made it, and those who called it, up
 * to where the program, or its thread, begins
 */
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t seen, times, ended_well;
static _Thread_local void *outermost;
static int state;

static __attribute__((noinline)) void inner(void)
{
	struct timespec ts = {.tv_nsec = 30000000};

	nanosleep(&ts, NULL);
	__asm__ volatile("");
}

static __attribute__((noinline)) void outer(void)
{
	inner();
	__asm__ volatile("");
}

static int is_in(void *address, void (*function)(void))
{
	return (uintptr_t)address - (uintptr_t)function < 200;
}

static void on_alarm(int signal)
{
	void *frames[64];
	int n = backtrace(frames, 64), found = 0;

	(void)signal;
	for (int i = 0; i < n; i++)
		found |= is_in(frames[i], inner) | is_in(frames[i], outer) << 1;
	times++;
	if (found == 3) {
		seen++;
		ended_well += frames[n - 1] == outermost;
	}
}

static void find_outermost(void)
{
	void *frames[64];
	int n = backtrace(frames, 64);

	outermost = frames[n - 1];
}

static void *thread(void *arg)
{
	find_outermost();
	__atomic_store_n(&state, 1, __ATOMIC_RELEASE);
	while (seen < 20)
		outer();
	__atomic_store_n(&state, 2, __ATOMIC_RELEASE);
	return arg;
}

int main(void)
{
	struct itimerval soon = {.it_value.tv_usec = 5000};
	pthread_t other;

	find_outermost();
	signal(SIGALRM, on_alarm);
	/* Trapped at first, then rewritten. */
	for (int i = 0; i < 6; i++) {
		setitimer(ITIMER_REAL, &soon, NULL);
		outer();
	}
	printf("%d of %d backtraces reach the caller\n", (int)seen, (int)times);
	pthread_create(&other, NULL, thread, NULL);
	while (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != 2) {
		if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == 1)
			pthread_kill(other, SIGALRM);
		usleep(1000);
	}
	pthread_join(other, NULL);
	printf("all of them end where they should: %d\n", ended_well == seen);
	return 0;
}
