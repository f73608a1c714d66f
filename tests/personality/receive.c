/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receive.c - an ordinary program: sockets that are waited for again and again, and whose mode changes in between
 *
 * Each socket has been waited for when the change comes, so whoever remembers what it was has to be told.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int listener;
static struct sockaddr_in here;
static uint32_t received;

struct pair {
	int server, client;
};

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = 2000000};

	nanosleep(&ts, NULL);
}

static void open_pair(struct pair *p)
{
	p->client = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(p->client, (struct sockaddr *)&here, sizeof(here)) != 0)
		perror("connect");
	p->server = accept(listener, NULL, NULL);
}

static void *send_late(void *arg)
{
	nap();
	send((int)(intptr_t)arg, "x", 1, 0);
	return NULL;
}

/* Whoever receives has had to wait. */
static void wait_once(const struct pair *p)
{
	pthread_t thread;
	char c = 0;

	pthread_create(&thread, NULL, send_late, (void *)(intptr_t)p->client);
	if (recv(p->server, &c, 1, 0) != 1 || c != 'x')
		puts("nothing was received");
	pthread_join(thread, NULL);
}

static const char *name_of(ssize_t n)
{
	return n >= 0 ? "data" : errno == EAGAIN ? "EAGAIN" : errno == EINTR ? "EINTR" : strerror(errno);
}

static void try_it(const struct pair *p, const char *what)
{
	char c;
	ssize_t n = recv(p->server, &c, 1, 0);

	printf("%s: %s\n", what, name_of(n));
	n = read(p->server, &c, 1);
	printf("%s, by read: %s\n", what, name_of(n));
}

static void modes(void)
{
	struct timeval soon = {.tv_usec = 20000};
	int on = 1, off = 0, second;
	struct pair p;

	open_pair(&p);
	wait_once(&p);
	fcntl(p.server, F_SETFL, O_NONBLOCK);
	try_it(&p, "F_SETFL");
	fcntl(p.server, F_SETFL, 0);
	wait_once(&p);
	ioctl(p.server, FIONBIO, &on);
	try_it(&p, "FIONBIO");
	ioctl(p.server, FIONBIO, &off);
	wait_once(&p);
	setsockopt(p.server, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	try_it(&p, "SO_RCVTIMEO");
	soon.tv_usec = 0;
	setsockopt(p.server, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	wait_once(&p);
	second = dup(p.server);
	fcntl(second, F_SETFL, O_NONBLOCK);
	try_it(&p, "by the second number");
	fcntl(second, F_SETFL, 0);
	wait_once(&p);
	close(second);
	close(p.server);
	close(p.client);
}

static void another_process(void)
{
	struct pair p;
	pid_t child;

	open_pair(&p);
	wait_once(&p);
	child = fork();
	if (child == 0) {
		fcntl(p.server, F_SETFL, O_NONBLOCK);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	try_it(&p, "by another process");
	close(p.server);
	close(p.client);
}

static void on_signal(int number)
{
	(void)number;
}

static void *receive(void *arg)
{
	char c;
	ssize_t n = recv((int)(intptr_t)arg, &c, 1, 0);

	printf("after a signal: %s\n", name_of(n));
	__atomic_store_n(&received, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* It is interrupted in its wait, sooner or later; or goes on, and is then given something. */
static void interrupted(int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
	pthread_t thread;
	struct pair p;

	sigaction(SIGUSR1, &action, NULL);
	open_pair(&p);
	wait_once(&p);
	received = 0;
	pthread_create(&thread, NULL, receive, (void *)(intptr_t)p.server);
	for (int i = 0; flags ? i < 10 : !__atomic_load_n(&received, __ATOMIC_ACQUIRE); i++) {
		nap();
		pthread_kill(thread, SIGUSR1);
	}
	if (flags)
		send(p.client, "y", 1, 0);
	pthread_join(thread, NULL);
	close(p.server);
	close(p.client);
}

/* The other side learns of it at once. */
static void closed(const char *what, int (*closing)(int server))
{
	struct pair p;
	char c;

	open_pair(&p);
	wait_once(&p);
	closing(p.server);
	printf("%s: the other side reads %zd\n", what, recv(p.client, &c, 1, 0));
	close(p.client);
}

static int by_range(int server)
{
	return (int)syscall(SYS_close_range, (unsigned)server, (unsigned)server, 0);
}

static int by_dup2(int server)
{
	return dup2(STDIN_FILENO, server);
}

int main(void)
{
	socklen_t len = sizeof(here);

	alarm(50);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	here.sin_family = AF_INET;
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&here, len) != 0 || listen(listener, 10) != 0 ||
	    getsockname(listener, (struct sockaddr *)&here, &len) != 0)
		return 1;
	modes();
	another_process();
	interrupted(0);
	interrupted(SA_RESTART);
	closed("close", close);
	closed("close_range", by_range);
	closed("dup2", by_dup2);
	return 0;
}
