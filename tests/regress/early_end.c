/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * early_end.c - a receive that gives less than was asked for has not always emptied the socket
 *
 * A watched stream was taken to be empty after a short count. But a receive from a local stream ends where descriptors
 * were sent along, and one from TCP where urgent data begin: the rest was only seen when the peer sent more. And a
 * receiver that left a datagram behind told nobody who had begun to wait meanwhile.
 */
#include <ellula/ellula.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "harness/harness.h"

enum { ROUNDS = 3000 };

/* A listening socket of FAMILY with its address, and a connection from a plain socket to it. */
static void connected(int family, int *ours, int *theirs)
{
	struct sockaddr_storage addr = {.ss_family = (sa_family_t)family};
	socklen_t len = family == AF_UNIX ? sizeof(sa_family_t) : sizeof(struct sockaddr_in);
	int listener = ell_socket(family, SOCK_STREAM, 0);

	/* Without a name, a local socket gets one of the kernel's. */
	CHECK_EQ(ell_bind(listener, (struct sockaddr *)&addr, len), 0);
	CHECK_EQ(ell_listen(listener, 1), 0);
	len = sizeof(addr);
	CHECK_EQ(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	*theirs = socket(family, SOCK_STREAM, 0);
	CHECK_EQ(connect(*theirs, (struct sockaddr *)&addr, len), 0);
	*ours = ell_accept(listener, NULL, NULL);
	CHECK(*ours >= 0);
	CHECK_EQ(ell_close(listener), 0);
}

/* Begins the watch. */
static void wait_in_vain(int fd)
{
	char c;

	CHECK_EQ(ell_recv_until(fd, &c, 1, 0, ell_after(10 * ELL_MSEC)), -1);
}

static void receive_text(int fd, const char *expected)
{
	char got[64];
	ssize_t n = ell_recv_until(fd, got, sizeof(got), 0, ell_after(10 * ELL_SEC));

	CHECK_EQ(n, (ssize_t)strlen(expected));
	CHECK(memcmp(got, expected, strlen(expected)) == 0);
}

static void what_comes_behind_a_descriptor_is_received(void)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec iov = {.iov_base = "1", .iov_len = 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int ours, theirs, zero = 0;

	memcpy(CMSG_DATA(&control.header), &zero, sizeof(zero));
	connected(AF_UNIX, &ours, &theirs);
	wait_in_vain(ours);
	CHECK_EQ(sendmsg(theirs, &msg, 0), 1);
	CHECK_EQ(send(theirs, "hello", 5, 0), 5);
	receive_text(ours, "1");
	receive_text(ours, "hello");
	CHECK_EQ(ell_close(ours), 0);
	CHECK_EQ(close(theirs), 0);
}

static void what_comes_behind_urgent_data_is_received(void)
{
	int ours, theirs;

	connected(AF_INET, &ours, &theirs);
	wait_in_vain(ours);
	CHECK_EQ(send(theirs, "abcX", 4, MSG_OOB), 4);
	CHECK_EQ(send(theirs, "def", 3, 0), 3);
	receive_text(ours, "abc");
	receive_text(ours, "def");
	/* Now it is known to have urgent data. */
	CHECK_EQ(send(theirs, "ghiX", 4, MSG_OOB), 4);
	CHECK_EQ(send(theirs, "jkl", 3, 0), 3);
	receive_text(ours, "ghi");
	receive_text(ours, "jkl");
	CHECK_EQ(ell_close(ours), 0);
	CHECK_EQ(close(theirs), 0);
}

static void *receive_one(void *fd)
{
	char c;

	return (void *)(intptr_t)ell_recv_until(*(int *)fd, &c, 1, 0, ell_after(10 * ELL_SEC));
}

static void two_receivers_get_a_datagram_each(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int ours = ell_socket(AF_INET, SOCK_DGRAM, 0), theirs = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK_EQ(ell_bind(ours, (struct sockaddr *)&addr, len), 0);
	CHECK_EQ(getsockname(ours, (struct sockaddr *)&addr, &len), 0);
	for (int i = 0; i < ROUNDS; i++) {
		ell_thread threads[2];
		void *result;

		for (int k = 0; k < 2; k++)
			CHECK_EQ(ell_create(&threads[k], NULL, receive_one, &ours), 0);
		ell_yield();
		for (int k = 0; k < 2; k++)
			CHECK_EQ(sendto(theirs, "x", 1, 0, (struct sockaddr *)&addr, len), 1);
		for (int k = 0; k < 2; k++) {
			CHECK_EQ(ell_join(threads[k], &result), 0);
			CHECK_EQ((intptr_t)result, 1);
		}
	}
	CHECK_EQ(ell_close(ours), 0);
	CHECK_EQ(close(theirs), 0);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(what_comes_behind_a_descriptor_is_received, HARNESS_IN_RUN),
		HARNESS_CASE(what_comes_behind_urgent_data_is_received, HARNESS_IN_RUN),
		HARNESS_CASE(two_receivers_get_a_datagram_each, HARNESS_IN_RUN),
	};

	return harness_run("early_end", cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
