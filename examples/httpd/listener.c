/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listener.c - the socket that clients connect to, and its end by a signal
 *
 * The handler shuts the listening socket down. That is a state of the socket and no event: an accept that sleeps gives
 * EINVAL, and so does one that starts later; the signal cannot come at a moment where it is lost. It works for an
 * accept by system call, for one by message and for a poll on the socket, whichever kernel thread takes the signal.
 */
#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener_fd = -1;
static int listener_stop;

static void listener_print(const struct options *o, int fd)
{
	struct sockaddr_storage at;
	const int flags = NI_NUMERICHOST | NI_NUMERICSERV;
	socklen_t len = sizeof at;
	char host[64], port[8];

	if (getsockname(fd, (struct sockaddr *)&at, &len) ||
	    getnameinfo((struct sockaddr *)&at, len, host, sizeof host, port, sizeof port, flags))
		return;
	printf("%s: serving %s on http://%s%s%s:%s/\n", o->program, o->root, strchr(host, ':') ? "[" : "", host,
	       strchr(host, ':') ? "]" : "", port);
	fflush(stdout);
}

static int listener_socket(const struct options *o, const struct addrinfo *at)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) &&
	    !setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) && !bind(fd, at->ai_addr, at->ai_addrlen) &&
	    !listen(fd, o->backlog))
		return fd;
	fprintf(stderr, "%s: %s port %u: %s\n", o->program, o->address, o->port, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void listener_on_signal(int signal)
{
	int error = errno;

	(void)signal;
	__atomic_store_n(&listener_stop, 1, __ATOMIC_SEQ_CST);
	shutdown(listener_fd, SHUT_RD);
	errno = error;
}

static void listener_stop_on_signal(int fd)
{
	/* Without SA_RESTART: ThreadSanitizer runs a handler when the system call that it interrupts returns. */
	struct sigaction stop = {.sa_handler = listener_on_signal};

	listener_fd = fd;
	sigemptyset(&stop.sa_mask);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int listener_open(const struct options *o)
{
	const int flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
	struct addrinfo hints = {.ai_flags = flags, .ai_socktype = SOCK_STREAM}, *at;
	struct rlimit files;
	char port[8];
	int fd, error;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	snprintf(port, sizeof port, "%u", o->port);
	error = getaddrinfo(o->address, port, &hints, &at);
	if (error) {
		fprintf(stderr, "%s: %s: %s\n", o->program, o->address, gai_strerror(error));
		return -1;
	}
	fd = listener_socket(o, at);
	freeaddrinfo(at);
	if (fd < 0)
		return -1;
	listener_stop_on_signal(fd);
	if (!o->quiet)
		listener_print(o, fd);
	return fd;
}

bool listener_stopped(void)
{
	return __atomic_load_n(&listener_stop, __ATOMIC_SEQ_CST);
}
