/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * process.c - an ordinary program: signals to the process, and to threads that wait for signals or are in long calls
 *
 * In each scene a thread waits, and another one sends a signal again and again until the wait has ended: there is no
 * moment that it could come too early in.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_int handled, in_main, over, waiting;
static pthread_t first;
static int pipes[2];
static sem_t never;

static void handler(int number)
{
	(void)number;
	handled++;
	in_main += pthread_equal(pthread_self(), first) != 0;
}

static void set_handler(int number, int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	sigaction(number, &action, NULL);
}

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = 1000000};

	nanosleep(&ts, NULL);
}

/* Blocks what the scenes send, sends it to the process until the scene is over. */
static void *sender(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (!over) {
		if (arg)
			pthread_kill(first, SIGUSR1);
		else
			kill(getpid(), SIGUSR1);
		nap();
	}
	return NULL;
}

static int by_read(void)
{
	char c;

	return (int)read(pipes[0], &c, 1);
}

static int by_sleep(void)
{
	return (int)sleep(1000) > 0 ? -1 : 0;
}

static int by_semaphore(void)
{
	return sem_wait(&never);
}

static int by_pause(void)
{
	return pause();
}

static int by_suspend(void)
{
	sigset_t set;

	sigemptyset(&set);
	return sigsuspend(&set);
}

static int by_poll(void)
{
	struct pollfd fd = {.fd = pipes[0], .events = POLLIN};

	return poll(&fd, 1, -1);
}

static int by_child(void)
{
	int status, result;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	result = waitpid(pid, &status, 0);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	errno = EINTR;
	return result;
}

static const struct {
	const char *name;
	int (*wait)(void);
} scenes[] = {
	{"read", by_read}, {"sleep", by_sleep},	       {"sem_wait", by_semaphore}, {"pause", by_pause},
	{"poll", by_poll}, {"sigsuspend", by_suspend}, {"waitpid", by_child},
};

static void scene(unsigned i, void *to_thread)
{
	pthread_t thread;
	int result;

	handled = in_main = over = 0;
	pthread_create(&thread, NULL, sender, to_thread);
	result = scenes[i].wait();
	printf("%s: %d %s, ", scenes[i].name, result, errno == EINTR ? "EINTR" : "another error");
	over = 1;
	pthread_join(thread, NULL);
	printf("%s, %s\n", handled ? "handled" : "not handled", handled == in_main ? "in main" : "elsewhere");
}

static void *waiter(void *arg)
{
	sigset_t set;
	siginfo_t info;
	int got, count = 0;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	do {
		waiting = 1;
		got = sigwaitinfo(&set, &info);
		count += got == SIGUSR2;
	} while (got != SIGTERM);
	printf("waited: %s\n", count > 0 ? "both" : "only for the last");
	return NULL;
}

/* A thread that does nothing but wait for signals: one to the thread, and one to the process, which all block. */
static void signal_thread(void)
{
	pthread_t thread;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	waiting = 0;
	pthread_create(&thread, NULL, waiter, NULL);
	while (!waiting)
		nap();
	pthread_kill(thread, SIGUSR2);
	nap();
	kill(getpid(), SIGTERM);
	pthread_join(thread, NULL);
}

static void *ends_soon(void *arg)
{
	(void)arg;
	nap();
	return NULL;
}

/* When there are no others any more, but have been. */
static void alone(void)
{
	struct itimerval every = {.it_interval = {.tv_usec = 20000}, .it_value = {.tv_usec = 20000}};
	const struct itimerval none = {.it_value = {.tv_sec = 0}};
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, ends_soon, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	set_handler(SIGALRM, 0);
	handled = in_main = 0;
	setitimer(ITIMER_REAL, &every, NULL);
	while (handled < 3)
		pause();
	setitimer(ITIMER_REAL, &none, NULL);
	printf("alone: %s\n", handled == in_main ? "in main" : "elsewhere");
}

/* Its own signal has been handled when kill() returns, as often as it was sent. */
static void to_itself(void)
{
	int wrong = 0;

	for (int i = 0; i < 100; i++) {
		handled = 0;
		kill(getpid(), SIGUSR1);
		wrong += handled != 1;
	}
	printf("to itself: %d wrong\n", wrong);
}

static void *cancelled(void *arg)
{
	sigset_t set;
	int status;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	waiting = 1;
	if (arg)
		sigwaitinfo(&set, NULL);
	else
		waitpid(-1, &status, 0);
	return NULL;
}

static void cancel(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	for (int i = 0; i < 2; i++) {
		pthread_t thread;
		void *result;

		waiting = 0;
		pthread_create(&thread, NULL, cancelled, i ? &pid : NULL);
		while (!waiting)
			nap();
		pthread_cancel(thread);
		pthread_join(thread, &result);
		printf("cancelled in %s: %d\n", i ? "sigwaitinfo" : "waitpid", result == PTHREAD_CANCELED);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, now;

	first = pthread_self();
	setvbuf(stdout, NULL, _IOLBF, 0);
	sem_init(&never, 0, 0);
	if (pipe(pipes) != 0)
		return 1;
	set_handler(SIGUSR1, 0);
	for (unsigned i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		scene(i, NULL);
		scene(i, pipes);
	}
	signal_thread();
	to_itself();
	alone();
	to_itself();
	cancel();
	sigaction(SIGUSR1, NULL, &now);
	printf("%s handler, flags %x\n", now.sa_handler == handler ? "the" : "another",
	       (unsigned)now.sa_flags & ~0x04000000u);
	printf("SIGSYS: %d\n", sigaction(SIGSYS, &ignore, NULL));
	return 0;
}
