/* SPDX-License-Identifier: BSD-2-Clause */
/* timers.c - an ordinary program: timers that call a function, and timers that signal one thread */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { TIMERS = 5, TICKS = 10 };

static uint32_t calls;
static __thread uint32_t own;

static void on_time(union sigval value)
{
	__atomic_fetch_add((uint32_t *)value.sival_ptr, 1, __ATOMIC_ACQ_REL);
}

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = 1000000};

	nanosleep(&ts, NULL);
}

static void start(timer_t timer, int64_t ns, int64_t interval)
{
	const struct itimerspec when = {.it_value.tv_nsec = ns, .it_interval.tv_nsec = interval};

	timer_settime(timer, 0, &when, NULL);
}

static void functions_are_called(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_time};
	timer_t timers[TIMERS];

	event.sigev_value.sival_ptr = &calls;
	for (int i = 0; i < TIMERS; i++) {
		if (timer_create(CLOCK_MONOTONIC, &event, &timers[i]) != 0)
			perror("timer_create");
		start(timers[i], 1000000, 0);
	}
	while (__atomic_load_n(&calls, __ATOMIC_ACQUIRE) < TIMERS)
		nap();
	for (int i = 0; i < TIMERS; i++)
		timer_delete(timers[i]);
	printf("%u calls\n", calls);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (info->si_code == SI_TIMER && info->si_value.sival_int == 77)
		own++;
}

static void *is_signalled(void *arg)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};
	timer_t timer;

	event.sigev_value.sival_int = 77;
	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
		perror("timer_create");
	start(timer, 1000000, 1000000);
	while (*(volatile uint32_t *)&own < TICKS)
		nap();
	timer_delete(timer);
	return arg;
}

/* The timer goes on, and its thread is not there any more. */
static void *leaves_a_timer(void *arg)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	timer_create(CLOCK_MONOTONIC, &event, arg);
	return arg;
}

static const char *outcome(int result)
{
	return result == 0 ? "made" : strerror(errno);
}

static void refusals(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	timer_t timer;

	event.sigev_notify_thread_id = 1;
	printf("another process' thread: %s\n", outcome(timer_create(CLOCK_MONOTONIC, &event, &timer)));
	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	event.sigev_signo = 65;
	printf("no signal: %s\n", outcome(timer_create(CLOCK_MONOTONIC, &event, &timer)));
	event.sigev_signo = SIGUSR1;
	printf("no clock: %s\n", outcome(timer_create(100, &event, &timer)));
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	pthread_t threads[TIMERS];
	timer_t left;

	alarm(50);
	sigaction(SIGRTMIN + 1, &action, NULL);
	refusals();
	functions_are_called();
	for (int i = 0; i < TIMERS; i++)
		pthread_create(&threads[i], NULL, is_signalled, NULL);
	for (int i = 0; i < TIMERS; i++)
		pthread_join(threads[i], NULL);
	pthread_create(&threads[0], NULL, leaves_a_timer, &left);
	pthread_join(threads[0], NULL);
	start(left, 1, 0);
	nap();
	refusals();
	printf("%u of the first thread's\n", own);
	return 0;
}
