/* SPDX-License-Identifier: BSD-2-Clause */
/* op_recv_test.c - what comes by a socket, and from whom */
#include <arpa/inet.h>
#include <sys/un.h>

#include "kport/ways.h"

static int64_t do_recv(int fd, void *buf, size_t len, int flags)
{
	struct ell_msg m = {0};

	ell_msg_recv(&m, fd, buf, len, flags);
	return way_do(&m);
}

static int64_t do_recvfrom(int fd, void *buf, size_t len, int flags, struct ell_peer *from)
{
	struct ell_msg m = {0};

	ell_msg_recvfrom(&m, fd, buf, len, flags, from);
	return way_do(&m);
}

static int64_t do_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct ell_msg m = {0};

	ell_msg_recvmsg(&m, fd, msg, flags);
	return way_do(&m);
}

static void stream(int *fds)
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

static void close_both(const int *fds)
{
	close(fds[0]);
	close(fds[1]);
}

WAYS(recv_takes_what_is_there_or_waits_for_it)
{
	struct ell_msg m = {0};
	char buf[16] = {0};
	int fds[2];

	stream(fds);
	CHECK_EQ(send(fds[1], "abcdef", 6, 0), 6);
	CHECK_EQ(do_recv(fds[0], buf, 2, MSG_PEEK), 2);
	CHECK_STR(buf, "ab");
	CHECK_EQ(do_recv(fds[0], buf, 4, 0), 4);
	CHECK_STR(buf, "abcd");
	CHECK_EQ(do_recv(fds[0], buf, sizeof(buf), 0), 2);
	CHECK_EQ(do_recv(fds[0], buf, sizeof(buf), MSG_DONTWAIT), -EAGAIN);
	ell_msg_recv(&m, fds[0], buf, sizeof(buf), 0);
	way_start(&m);
	CHECK_EQ(send(fds[1], "late", 5, 0), 5);
	CHECK_EQ(way_wait(&m), 5);
	CHECK_STR(buf, "late");
	close(fds[1]);
	CHECK_EQ(way_do(&m), 0);
	close(fds[0]);
}

WAYS(recv_waits_with_O_NONBLOCK)
{
	struct timeval soon = {.tv_usec = 1000};
	struct ell_msg m = {0};
	char buf[16] = {0};
	int fds[2];

	stream(fds);
	CHECK_EQ(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	ell_msg_recv(&m, fds[0], buf, sizeof(buf), 0);
	way_start(&m);
	usleep(20000);
	CHECK_EQ(send(fds[1], "late", 5, 0), 5);
	CHECK_EQ(way_wait(&m), 5);
	CHECK_STR(buf, "late");
	close_both(fds);
}

WAYS(MSG_WAITALL_waits_for_all)
{
	struct ell_msg m = {0};
	char buf[8] = {0};
	int fds[2];

	stream(fds);
	ell_msg_recv(&m, fds[0], buf, 6, MSG_WAITALL);
	way_start(&m);
	CHECK_EQ(send(fds[1], "abc", 3, 0), 3);
	usleep(20000);
	CHECK_EQ(send(fds[1], "def", 3, 0), 3);
	CHECK_EQ(way_wait(&m), 6);
	CHECK_STR(buf, "abcdef");
	close_both(fds);
}

WAYS(recvfrom_knows_the_sender)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in sender = addr;
	socklen_t len = sizeof(addr);
	int to = socket(AF_INET, SOCK_DGRAM, 0);
	int from = socket(AF_INET, SOCK_DGRAM, 0);
	struct ell_msg m = {0};
	struct ell_peer peer;
	char buf[16] = {0};

	memset(&peer, 0x55, sizeof(peer));
	CHECK_EQ(bind(to, (struct sockaddr *)&addr, len), 0);
	CHECK_EQ(getsockname(to, (struct sockaddr *)&addr, &len), 0);
	CHECK_EQ(bind(from, (struct sockaddr *)&sender, len), 0);
	CHECK_EQ(getsockname(from, (struct sockaddr *)&sender, &len), 0);

	ell_msg_recvfrom(&m, to, buf, sizeof(buf), 0, &peer);
	/* Twice: the message may be sent again as it is. */
	for (int i = 0; i < 2; i++) {
		way_start(&m);
		CHECK_EQ(sendto(from, "datagram", 8, 0, (struct sockaddr *)&addr, len), 8);
		CHECK_EQ(way_wait(&m), 8);
		CHECK_STR(buf, "datagram");
		CHECK_EQ(ell_peer_len(&peer), sizeof(sender));
		CHECK_EQ(memcmp(&peer.ep_addr, &sender, sizeof(sender)), 0);
		CHECK_EQ(ell_peer_flags(&peer), 0);
	}
	CHECK_EQ(sendto(from, "datagram", 8, 0, (struct sockaddr *)&addr, len), 8);
	CHECK_EQ(do_recvfrom(to, buf, 3, 0, &peer), 3);
	CHECK_EQ(ell_peer_flags(&peer), MSG_TRUNC);
	CHECK_EQ(sendto(from, "datagram", 8, 0, (struct sockaddr *)&addr, len), 8);
	CHECK_EQ(do_recvfrom(to, buf, 3, MSG_TRUNC, NULL), 8);
	CHECK_EQ(do_recvfrom(to, buf, 3, MSG_DONTWAIT, &peer), -EAGAIN);
	close(to);
	close(from);
}

WAYS(a_sender_without_a_name_has_none)
{
	struct ell_peer peer;
	char buf[4];
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	CHECK_EQ(send(fds[1], "x", 1, 0), 1);
	CHECK_EQ(do_recvfrom(fds[0], buf, 4, 0, &peer), 1);
	CHECK_EQ(ell_peer_len(&peer), 0);
	close_both(fds);
}

WAYS(recvmsg_fills_the_vectors_and_the_header)
{
	char a[3] = {0}, b[8] = {0};
	struct iovec iov[] = {{a, 2}, {b, 7}};
	struct sockaddr_un name;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control = {0};
	struct msghdr msg = {
		.msg_name = &name,
		.msg_namelen = sizeof(name),
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct ucred cred;
	struct ell_msg m = {0};
	int fds[2], one = 1;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	CHECK_EQ(setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), 0);
	ell_msg_recvmsg(&m, fds[0], &msg, 0);
	way_start(&m);
	CHECK_EQ(send(fds[1], "abcdef", 6, 0), 6);
	CHECK_EQ(way_wait(&m), 6);
	CHECK_STR(a, "ab");
	CHECK_STR(b, "cdef");
	CHECK(CMSG_FIRSTHDR(&msg));
	memcpy(&cred, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(cred));
	CHECK_EQ(cred.pid, getpid());
	close_both(fds);
}

WAYS(what_the_system_calls_refuse_is_refused)
{
	struct iovec iov = {.iov_base = (void *)8, .iov_len = 4};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int file = open("file", O_RDWR | O_CREAT, 0600);
	int unconnected = socket(AF_INET, SOCK_STREAM, 0);
	struct ell_peer peer;
	char buf[4];
	int fds[2];

	NEED_KERNEL();
	stream(fds);
	CHECK_EQ(send(fds[1], "abc", 3, 0), 3);
	CHECK_EQ(do_recv(-1, buf, 4, 0), -EBADF);
	CHECK_EQ(do_recv(12345, buf, 4, 0), -EBADF);
	CHECK_EQ(do_recv(file, buf, 4, 0), -ENOTSOCK);
	CHECK_EQ(do_recv(fds[0], NULL, 4, 0), -EFAULT);
	CHECK_EQ(do_recv(fds[0], buf, SIZE_MAX, 0), -EINVAL);
	CHECK_EQ(do_recv(unconnected, buf, 4, 0), PLAIN(recv(unconnected, buf, 4, 0)));
	CHECK_EQ(do_recv(fds[0], buf, 4, MSG_OOB), PLAIN(recv(fds[0], buf, 4, MSG_OOB)));
	CHECK_EQ(do_recvfrom(-1, buf, 4, 0, &peer), -EBADF);
	CHECK_EQ(do_recvfrom(file, buf, 4, 0, &peer), -ENOTSOCK);
	CHECK_EQ(do_recvfrom(fds[0], NULL, 4, 0, &peer), -EFAULT);
	NEED_BAD_ADDRESSES();
	CHECK_EQ(do_recvmsg(-1, &msg, 0), -EBADF);
	CHECK_EQ(do_recvmsg(file, &msg, 0), -ENOTSOCK);
	CHECK_EQ(do_recvmsg(fds[0], NULL, 0), -EFAULT);
	CHECK_EQ(do_recvmsg(fds[0], (struct msghdr *)8, 0), -EFAULT);
	CHECK_EQ(do_recvmsg(fds[0], &msg, 0), PLAIN(recvmsg(fds[0], &msg, 0)));
	/* Nothing was lost. */
	CHECK_EQ(do_recv(fds[0], buf, 4, 0), 3);
	close_both(fds);
	close(file);
	close(unconnected);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(recv_takes_what_is_there_or_waits_for_it),
		WAYS_CASES(recv_waits_with_O_NONBLOCK),
		WAYS_CASES(MSG_WAITALL_waits_for_all),
		WAYS_CASES(recvfrom_knows_the_sender),
		WAYS_CASES(a_sender_without_a_name_has_none),
		WAYS_CASES(recvmsg_fills_the_vectors_and_the_header),
		WAYS_CASES(what_the_system_calls_refuse_is_refused),
	};

	return harness_run("op_recv", cases, ARRAY_SIZE(cases), argc, argv);
}
