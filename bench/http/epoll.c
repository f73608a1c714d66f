/* SPDX-License-Identifier: BSD-2-Clause */
/* epoll.c - the yardstick: an event loop on epoll, edge-triggered, written by hand */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "listener.h"

#define EVENTS 512

/* Accepts all who wait; false if some still do, because there is no descriptor left. */
static bool epoll_accept(int epoll, int listener)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	int fd;

	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			event.data.ptr = conn_open(fd);
			if (event.data.ptr && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
				conn_close(event.data.ptr);
		} else if (errno == EMFILE || errno == ENFILE) {
			return false;
		} else if (errno == EAGAIN || errno == EINVAL) {
			return true;
		}
	}
}

struct server_totals server_run(const struct options *o, struct site *site, int listener)
{
	struct epoll_event events[EVENTS], event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
	int epoll = epoll_create1(EPOLL_CLOEXEC), count, i;
	bool stopping = false, waiting = false, closed;

	conn_setup(o, site);
	fcntl(listener, F_SETFL, O_NONBLOCK);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event)) {
		fprintf(stderr, "%s: epoll: %s\n", o->program, strerror(errno));
		return conn_totals();
	}
	while (conn_going()) {
		count = epoll_wait(epoll, events, EVENTS, conn_patience());
		closed = false;
		for (i = 0; i < count; i++) {
			struct conn *c = events[i].data.ptr;

			if (!c) {
				waiting = !epoll_accept(epoll, listener);
			} else if (!conn_event(c, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
				conn_close(c);
				closed = true;
			}
		}
		if (waiting && closed)
			waiting = !epoll_accept(epoll, listener);
		if (listener_stopped() && !stopping) {
			stopping = true;
			conn_stop();
		}
	}
	close(epoll);
	return conn_totals();
}
