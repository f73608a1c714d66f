/* SPDX-License-Identifier: BSD-2-Clause */
/* op_poll_test.c - waiting for a descriptor */
#include <poll.h>
#include <sys/socket.h>

#include "kport/ways.h"

static int64_t do_poll(int fd, unsigned events)
{
	struct ell_msg m = {0};

	ell_msg_poll_fd(&m, fd, events);
	return way_do(&m);
}

/* What poll(2) says now. */
static int plain_poll(int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	CHECK(poll(&pfd, 1, 0) >= 0);
	return (unsigned short)pfd.revents;
}

static void close_both(const int *fds)
{
	close(fds[0]);
	close(fds[1]);
}

WAYS(what_is_ready_is_reported_at_once)
{
	int file = open("file", O_RDWR | O_CREAT, 0600);
	int fds[2], sockets[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	CHECK_EQ(do_poll(fds[1], POLLOUT), plain_poll(fds[1], POLLOUT));
	CHECK_EQ(do_poll(sockets[0], POLLIN | POLLOUT), plain_poll(sockets[0], POLLIN | POLLOUT));
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EQ(do_poll(fds[0], POLLIN | POLLRDNORM | POLLPRI), plain_poll(fds[0], POLLIN | POLLRDNORM | POLLPRI));
	CHECK_EQ(do_poll(file, POLLIN | POLLOUT), plain_poll(file, POLLIN | POLLOUT));
	close_both(fds);
	close_both(sockets);
	close(file);
}

WAYS(what_is_not_ready_is_waited_for)
{
	struct ell_msg m = {0};
	char byte;
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	ell_msg_poll_fd(&m, fds[0], POLLIN);
	/* Twice: once per message. */
	for (int i = 0; i < 2; i++) {
		way_start(&m);
		CHECK_EQ(write(fds[1], "x", 1), 1);
		CHECK_EQ(way_wait(&m), POLLIN);
		CHECK_EQ(read(fds[0], &byte, 1), 1);
	}
	close_both(fds);
}

WAYS(the_end_of_the_other_end_is_reported_unasked)
{
	struct ell_msg m = {0};
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	ell_msg_poll_fd(&m, fds[0], 0);
	way_start(&m);
	close(fds[1]);
	CHECK_EQ(way_wait(&m), plain_poll(fds[0], 0));
	CHECK_EQ(do_poll(fds[0], POLLIN), plain_poll(fds[0], POLLIN));
	close(fds[0]);
	CHECK_EQ(pipe(fds), 0);
	close(fds[0]);
	CHECK_EQ(do_poll(fds[1], POLLOUT), plain_poll(fds[1], POLLOUT));
	close(fds[1]);
}

WAYS(what_makes_no_sense_is_refused)
{
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(do_poll(-1, POLLIN), -EBADF);
	CHECK_EQ(do_poll(12345, POLLIN), -EBADF);
	CHECK_EQ(do_poll(fds[1], POLLOUT | 1u << 16), -EINVAL);
	/* EPOLLET: edges are not for messages. */
	CHECK_EQ(do_poll(fds[1], POLLOUT | 1u << 31), -EINVAL);
	close_both(fds);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(what_is_ready_is_reported_at_once),
		WAYS_CASES(what_is_not_ready_is_waited_for),
		WAYS_CASES(the_end_of_the_other_end_is_reported_unasked),
		WAYS_CASES(what_makes_no_sense_is_refused),
	};

	return harness_run("op_poll", cases, ARRAY_SIZE(cases), argc, argv);
}
