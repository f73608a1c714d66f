/* SPDX-License-Identifier: BSD-2-Clause */
/* cancel.c - an ordinary program: threads that are cancelled wherever they wait, or just before, or not yet */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 300, RACES = 300 };

static int pipes[2], pairs[2];
static sem_t never;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static atomic_int begun, cleaned, turns;

/* Others run, for some rounds longer than for others. */
static void pass_by(int round)
{
	for (int i = 0; i < round % 9; i++)
		sched_yield();
}

static void wait_until_begun(int value)
{
	while (begun < value)
		sched_yield();
}

static void by_read(void)
{
	char c;

	read(pipes[0], &c, 1);
}

static void by_receive(void)
{
	char c;

	recv(pairs[0], &c, 1, 0);
}

static void by_poll(void)
{
	struct pollfd fd = {.fd = pipes[0], .events = POLLIN};

	poll(&fd, 1, -1);
}

static void by_sleep(void)
{
	sleep(1000);
}

static void by_pause(void)
{
	pause();
}

static void by_semaphore(void)
{
	sem_wait(&never);
}

static void unlock(void *lock)
{
	cleaned++;
	pthread_mutex_unlock(lock);
}

/* The lock is the thread's again before it ends. */
static void by_condition(void)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	for (;;)
		pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(1);
}

static void *waits_for_ever(void *unused)
{
	by_semaphore();
	return unused;
}

static void by_join(void)
{
	pthread_t other;

	pthread_create(&other, NULL, waits_for_ever, NULL);
	pthread_join(other, NULL);
}

static const struct {
	const char *name;
	void (*wait)(void);
} ways[] = {
	{"read", by_read},
	{"recv", by_receive},
	{"poll", by_poll},
	{"sleep", by_sleep},
	{"pause", by_pause},
	{"sem_wait", by_semaphore},
	{"pthread_cond_wait", by_condition},
};

static void count(void *unused)
{
	(void)unused;
	cleaned++;
}

static void *victim(void *arg)
{
	const int *way = arg;

	pthread_cleanup_push(count, NULL);
	begun = 1;
	ways[*way].wait();
	pthread_cleanup_pop(1);
	return NULL;
}

/* Some are cancelled while they wait, some before they begin, and some in between. */
static void each_way(void)
{
	for (int way = 0; way < (int)(sizeof(ways) / sizeof(ways[0])); way++) {
		int cancelled = 0;

		cleaned = 0;
		for (int i = 0; i < ROUNDS; i++) {
			pthread_t thread;
			void *result;

			begun = 0;
			pthread_create(&thread, NULL, victim, &way);
			while (i % 3 && !begun)
				sched_yield();
			pass_by(i % 3 ? i : 0);
			pthread_cancel(thread);
			pthread_join(thread, &result);
			cancelled += result == PTHREAD_CANCELED;
		}
		printf("%s: %d cancelled, %d cleaned up\n", ways[way].name, cancelled,
		       cleaned >= ROUNDS / 2 ? ROUNDS : cleaned);
	}
}

static void *counts_turns(void *unused)
{
	char c;

	for (;;) {
		turns++;
		/* Does not wait, as often as not. */
		read(pipes[0], &c, 1);
	}
	return unused;
}

/* Between two calls, in one, at the beginning of one: it comes to its end. */
static void races(void)
{
	int cancelled = 0;

	for (int i = 0; i < RACES; i++) {
		pthread_t thread;
		void *result;
		char c = 0;

		turns = 0;
		pthread_create(&thread, NULL, counts_turns, NULL);
		for (int n = 0; n < i % 7; n++)
			write(pipes[1], &c, 1);
		pthread_cancel(thread);
		pthread_join(thread, &result);
		cancelled += result == PTHREAD_CANCELED;
	}
	printf("in a loop: %d cancelled\n", cancelled);
}

static void *is_not_to_end(void *unused)
{
	int state;
	ssize_t n;
	char c;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	begun = 1;
	n = recv(pairs[0], &c, 1, 0);
	turns += n == 1 && c == 'a';
	n = read(pipes[0], &c, 1);
	turns += n == 1 && c == 'b';
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	by_pause();
	return unused;
}

/* What was asked for meanwhile interrupts nothing, and comes at the first wait that may end so. */
static void disabled(void)
{
	int cancelled = 0;
	char c;

	while (poll(&(struct pollfd){.fd = pipes[0], .events = POLLIN}, 1, 0) == 1)
		read(pipes[0], &c, 1);
	turns = 0;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_t thread;
		void *result;

		begun = 0;
		pthread_create(&thread, NULL, is_not_to_end, NULL);
		wait_until_begun(1);
		pass_by(i);
		pthread_cancel(thread);
		pass_by(i / 9);
		send(pairs[1], "a", 1, 0);
		pass_by(i / 81);
		write(pipes[1], "b", 1);
		pthread_join(thread, &result);
		cancelled += result == PTHREAD_CANCELED;
	}
	printf("disabled: %d received; enabled: %d cancelled\n", turns, cancelled);
}

static void on_signal(int number)
{
	begun += number != 0;
	wait_until_begun(3);
}

static void *is_in_handler(void *unused)
{
	begun = 1;
	by_read();
	return unused;
}

/* Asked for while a handler runs that has interrupted the wait, which then would begin again. */
static void in_handler(void)
{
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	int cancelled = 0;

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		pthread_t thread;
		void *result;

		begun = 0;
		pthread_create(&thread, NULL, is_in_handler, NULL);
		wait_until_begun(1);
		pass_by(i);
		pthread_kill(thread, SIGUSR1);
		wait_until_begun(2);
		pthread_cancel(thread);
		begun = 3;
		pthread_join(thread, &result);
		cancelled += result == PTHREAD_CANCELED;
	}
	printf("behind a handler: %d\n", cancelled);
}

static void *computes(void *unused)
{
	int type;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	begun = 1;
	for (;;)
		turns++;
	return unused;
}

static void asynchronous(void)
{
	pthread_t thread;
	void *result;

	begun = 0;
	pthread_create(&thread, NULL, computes, NULL);
	wait_until_begun(1);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	printf("while it computes: %d\n", result == PTHREAD_CANCELED);
}

static void *joins(void *unused)
{
	begun = 1;
	by_join();
	return unused;
}

int main(void)
{
	pthread_t thread;
	void *result;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sem_init(&never, 0, 0);
	if (pipe(pipes) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pairs) != 0)
		return 1;
	each_way();
	races();
	disabled();
	in_handler();
	asynchronous();
	pthread_create(&thread, NULL, joins, NULL);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	printf("pthread_join: %d\n", result == PTHREAD_CANCELED);
	return 0;
}
