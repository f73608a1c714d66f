/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interrupted.c - an ordinary program: a wait for several descriptors, or with a mask of its own, ends when a handler
 * has run, in the first thread and in another one, for signals to the thread and to the process
 *
 * In each scene one thread waits, and another one sends a signal again and again until the wait has ended: there is no
 * moment that it could come too early in. All other threads block it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static atomic_int handled, in_waiter, over;
static pthread_t who;
static int pipes[2][2], epoll;
static sigset_t usual; /* blocks nothing of ours: what waits with a mask of its own blocks the signal otherwise */
static const struct timespec long_time = {.tv_sec = 1000};

static void handler(int number)
{
	(void)number;
	handled++;
	in_waiter += pthread_equal(pthread_self(), who) != 0;
}

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = 1000000};

	nanosleep(&ts, NULL);
}

static int polled(const sigset_t *mask)
{
	struct pollfd fds[] = {
		{.fd = pipes[0][0], .events = POLLIN}, {.fd = -1}, {.fd = pipes[1][0], .events = POLLIN}};

	return mask ? ppoll(fds, 3, &long_time, mask) : poll(fds, 3, -1);
}

static int nothing_polled(const sigset_t *mask)
{
	return ppoll(NULL, 0, &long_time, mask);
}

static int many_polled(const sigset_t *mask)
{
	struct pollfd fds[40];

	for (int i = 0; i < 40; i++)
		fds[i] = (struct pollfd){.fd = pipes[i & 1][0], .events = POLLIN};
	return ppoll(fds, 40, NULL, mask);
}

static int selected(const sigset_t *mask)
{
	struct timeval tv = {.tv_sec = 1000};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pipes[0][0], &set);
	FD_SET(pipes[1][0], &set);
	return mask ? pselect(FD_SETSIZE, &set, NULL, NULL, NULL, mask)
		    : select(pipes[1][0] + 1, &set, NULL, NULL, &tv);
}

static int epoll_waited(const sigset_t *mask)
{
	struct epoll_event events[2];

	return mask ? epoll_pwait(epoll, events, 2, -1, mask) : epoll_wait(epoll, events, 2, 1000000);
}

static int suspended(const sigset_t *mask)
{
	return mask ? sigsuspend(mask) : pause();
}

static const struct {
	const char *name;
	int (*wait)(const sigset_t *mask);
} scenes[] = {
	{"poll", polled},     {"poll of nothing", nothing_polled}, {"poll of many", many_polled},
	{"select", selected}, {"epoll_wait", epoll_waited},	   {"suspend", suspended},
};

enum { SCENES = sizeof(scenes) / sizeof(scenes[0]) };

struct act {
	unsigned scene;
	int masked, to_process;
};

static void block(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(how, &set, NULL);
}

/* With the signal blocked in the calling thread, but for the wait; or not blocked. */
static void *wait_for_it(void *arg)
{
	const struct act *act = arg;
	sigset_t after;
	int result;

	if (!act->masked)
		block(SIG_UNBLOCK);
	result = scenes[act->scene].wait(act->masked ? &usual : NULL);
	printf("%s%s, to %s: %d %s, ", scenes[act->scene].name, act->masked ? " with a mask" : "",
	       act->to_process ? "the process" : "the thread", result, errno == EINTR ? "EINTR" : strerror(errno));
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	over = 1;
	if (sigismember(&after, SIGUSR1) != act->masked)
		printf("another mask afterwards, ");
	block(SIG_BLOCK);
	return NULL;
}

static void *send(void *arg)
{
	const struct act *act = arg;

	while (!over) {
		if (act->to_process)
			kill(getpid(), SIGUSR1);
		else
			pthread_kill(who, SIGUSR1);
		nap();
	}
	return NULL;
}

/* What came after the end is nobody's. */
static void drop(void)
{
	const struct timespec now = {0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	while (sigtimedwait(&set, NULL, &now) > 0)
		;
}

static void tell(const char *where)
{
	printf("%s, in %s%s\n", handled ? "handled" : "not handled", where,
	       handled == in_waiter ? "" : " and elsewhere");
}

static void in_first(struct act *act)
{
	pthread_t thread;

	handled = in_waiter = over = 0;
	who = pthread_self();
	pthread_create(&thread, NULL, send, act);
	wait_for_it(act);
	pthread_join(thread, NULL);
	tell("the first thread");
	drop();
}

static void in_another(struct act *act)
{
	handled = in_waiter = over = 0;
	pthread_create(&who, NULL, wait_for_it, act);
	send(act);
	pthread_join(who, NULL);
	tell("another");
	drop();
}

int main(void)
{
	struct sigaction action = {.sa_handler = handler};
	struct epoll_event event = {.events = EPOLLIN};

	setvbuf(stdout, NULL, _IOLBF, 0);
	pthread_sigmask(SIG_BLOCK, NULL, &usual);
	block(SIG_BLOCK);
	sigaction(SIGUSR1, &action, NULL);
	epoll = epoll_create1(0);
	for (int i = 0; i < 2; i++) {
		if (pipe(pipes[i]) != 0)
			return 1;
		epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[i][0], &event);
	}
	for (unsigned i = 0; i < SCENES * 4; i++) {
		struct act act = {.scene = i / 4, .masked = (i >> 1) & 1, .to_process = i & 1};

		in_first(&act);
		in_another(&act);
	}
	return 0;
}
