/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outside.c - an ordinary program: another process sends signals to it while one thread computes and the first one
 * waits
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIGNALS = 50 };

static uint32_t over;
static volatile sig_atomic_t handled;

static void nap(long ns)
{
	const struct timespec ts = {.tv_nsec = ns};

	nanosleep(&ts, NULL);
}

static void on_signal(int number)
{
	(void)number;
	handled++;
}

static void *compute(void *arg)
{
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
		;
	return arg;
}

/* The next one when the last one was handled. */
static void send_all(int fd)
{
	char c;

	for (int i = 0; i < SIGNALS; i++) {
		kill(getppid(), SIGUSR1);
		if (read(fd, &c, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

static pid_t start_sender(int *fd)
{
	int ends[2];
	pid_t child;

	if (pipe(ends) != 0)
		return -1;
	child = fork();
	if (child == 0) {
		close(ends[1]);
		send_all(ends[0]);
	}
	close(ends[0]);
	*fd = ends[1];
	return child;
}

static void signals_are_handled(void)
{
	int fd = -1, answered = 0, status = -1;
	pid_t child = start_sender(&fd);
	pthread_t computing;

	pthread_create(&computing, NULL, compute, NULL);
	while (answered < SIGNALS) {
		nap(1000000);
		for (; answered < handled; answered++)
			write(fd, "x", 1);
	}
	waitpid(child, &status, 0);
	__atomic_store_n(&over, 1, __ATOMIC_RELEASE);
	pthread_join(computing, NULL);
	printf("%d handled, the sender's status %d\n", handled, status);
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	alarm(50);
	sigaction(SIGUSR1, &action, NULL);
	signals_are_handled();
	return 0;
}
