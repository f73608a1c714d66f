/* SPDX-License-Identifier: BSD-2-Clause */
/* unwind.c - an ordinary program: a handler that interrupts a system call sees who made it, and exceptions of C pass */
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t seen, times;

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
	seen += found == 3;
	times++;
}

int main(void)
{
	struct itimerval soon = {.it_value.tv_usec = 5000};
	void *frame;

	backtrace(&frame, 1);
	signal(SIGALRM, on_alarm);
	/* Trapped at first, then rewritten. */
	for (int i = 0; i < 6; i++) {
		setitimer(ITIMER_REAL, &soon, NULL);
		outer();
	}
	printf("%d of %d backtraces reach the caller\n", (int)seen, (int)times);
	return 0;
}
