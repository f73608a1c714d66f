/* SPDX-License-Identifier: BSD-2-Clause */
/* op_send_test.c - what leaves by a socket arrives, all of it */
#include <arpa/inet.h>
#include <limits.h>
#include <sys/un.h>

#include "kport/ways.h"

enum { MANY = 1000003 };

static int64_t do_send(int fd, const void *buf, size_t len, int flags)
{
	struct ell_msg m = {0};

	ell_msg_sock_send(&m, fd, buf, len, flags);
	return way_do(&m);
}

static int64_t do_sendto(int fd, const void *buf, size_t len, int flags, const void *addr, socklen_t addrlen)
{
	struct ell_msg m = {0};

	ell_msg_sendto(&m, fd, buf, len, flags, addr, addrlen);
	return way_do(&m);
}

static int64_t do_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct ell_msg m = {0};

	ell_msg_sendmsg(&m, fd, msg, flags);
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

static void check_sends_all(int flags)
{
	unsigned char *bytes = pattern_make(MANY);
	struct iovec iov[] = {{bytes, 1}, {NULL, 0}, {bytes + 1, 300000}, {bytes + 300001, MANY - 300001}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};
	struct ell_msg m[3] = {0};
	struct drain drain;
	int fds[2];

	stream(fds);
	CHECK_EQ(fcntl(fds[1], F_SETFL, flags), 0);
	ell_msg_sock_send(&m[0], fds[1], bytes, MANY, 0);
	ell_msg_sendto(&m[1], fds[1], bytes, MANY, 0, NULL, 0);
	ell_msg_sendmsg(&m[2], fds[1], &msg, 0);
	/* Each twice: a message may be sent again as it is. */
	for (int i = 0; i < 6; i++) {
		drain_start(&drain, fds[0], MANY);
		CHECK_EQ(way_do(&m[i % 3]), MANY);
		CHECK_EQ(drain_end(&drain), MANY);
	}
	CHECK_EQ(iov[2].iov_len, 300000);
	free(bytes);
	close_both(fds);
}

WAYS(a_send_to_a_stream_ends_when_all_is_sent)
{
	check_sends_all(0);
	check_sends_all(O_NONBLOCK);
}

WAYS(MSG_DONTWAIT_sends_what_there_is_room_for)
{
	unsigned char *bytes = pattern_make(MANY);
	struct iovec iov = {.iov_base = bytes, .iov_len = MANY};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[2];

	for (int with_header = 0; with_header < 2; with_header++) {
		int64_t sent;

		stream(fds);
		sent = with_header ? do_sendmsg(fds[1], &msg, MSG_DONTWAIT)
				   : do_send(fds[1], bytes, MANY, MSG_DONTWAIT);
		CHECK(sent > 0 && sent < MANY);
		CHECK_EQ(do_send(fds[1], bytes, MANY, MSG_DONTWAIT), -EAGAIN);
		CHECK_EQ(do_sendmsg(fds[1], &msg, MSG_DONTWAIT), -EAGAIN);
		close_both(fds);
	}
	free(bytes);
}

/* SIGPIPE has its default action here, which would end the case. */
WAYS(a_broken_connection_is_EPIPE_and_no_signal)
{
	struct iovec iov = {.iov_base = (char[]){'x'}, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[2];

	stream(fds);
	close(fds[0]);
	CHECK_EQ(do_send(fds[1], "x", 1, 0), -EPIPE);
	CHECK_EQ(do_sendto(fds[1], "x", 1, 0, NULL, 0), -EPIPE);
	CHECK_EQ(do_sendmsg(fds[1], &msg, 0), -EPIPE);
	close(fds[1]);
}

WAYS(a_send_that_is_cut_off_replies_with_what_was_sent)
{
	unsigned char *bytes = pattern_make(MANY);
	struct iovec iov[] = {{bytes, 100000}, {bytes + 100000, MANY - 100000}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	struct drain drain;
	int fds[2];

	for (int with_header = 0; with_header < 2; with_header++) {
		int64_t sent;

		stream(fds);
		drain_start_then_shut(&drain, fds[0], 300000, true);
		sent = with_header ? do_sendmsg(fds[1], &msg, 0) : do_send(fds[1], bytes, MANY, 0);
		NOTE("sent %lld", (long long)sent);
		CHECK(sent >= 300000 && sent < MANY);
		CHECK_EQ(drain_end(&drain), 300000);
		CHECK_EQ(do_send(fds[1], bytes, MANY, 0), -EPIPE);
		close_both(fds);
	}
	free(bytes);
}

WAYS(a_datagram_goes_to_the_address)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int to = socket(AF_INET, SOCK_DGRAM, 0);
	int from = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_storage large = {0};
	struct iovec iov[] = {{(char[]){'a', 'b'}, 2}, {(char[]){'c'}, 1}};
	struct msghdr msg = {.msg_name = &addr, .msg_namelen = len, .msg_iov = iov, .msg_iovlen = 2};
	char buf[16] = {0};

	CHECK_EQ(bind(to, (struct sockaddr *)&addr, len), 0);
	CHECK_EQ(getsockname(to, (struct sockaddr *)&addr, &len), 0);
	CHECK_EQ(do_sendto(from, "datagram", 8, 0, &addr, len), 8);
	CHECK_EQ(recv(to, buf, sizeof(buf), 0), 8);
	CHECK_STR(buf, "datagram");
	CHECK_EQ(do_sendto(from, NULL, 0, 0, &addr, len), 0);
	CHECK_EQ(recv(to, buf, sizeof(buf), 0), 0);
	CHECK_EQ(do_sendmsg(from, &msg, 0), 3);
	CHECK_EQ(recv(to, buf, sizeof(buf), 0), 3);
	CHECK_EQ(memcmp(buf, "abc", 3), 0);

	CHECK_EQ(do_sendto(from, "x", 1, 0, NULL, 0), PLAIN(send(from, "x", 1, 0)));
	CHECK_EQ(do_sendto(from, "x", 1, 0, &addr, 3), PLAIN(sendto(from, "x", 1, 0, (struct sockaddr *)&addr, 3)));
	CHECK_EQ(do_sendto(from, "x", 1, 0, &large, sizeof(large) + 1), -EINVAL);
	CHECK_EQ(do_sendto(from, "x", 1, 0, &addr, 65536 + len), -EINVAL);
	memset(&large, 0, sizeof(large));
	CHECK_EQ(do_sendto(from, (char[70000]){0}, 70000, 0, &addr, len), -EMSGSIZE);
	close(to);
	close(from);
}

WAYS(a_descriptor_travels_with_a_message)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0}, arrived = {0};
	struct iovec iov = {.iov_base = (char[]){'x'}, .iov_len = 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct msghdr got = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &arrived, .msg_controllen = sizeof(arrived)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int fds[2], pipes[2], travelled;
	char byte = 0;

	stream(fds);
	CHECK_EQ(pipe(pipes), 0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &pipes[1], sizeof(int));
	CHECK_EQ(do_sendmsg(fds[1], &msg, 0), 1);
	CHECK_EQ(recvmsg(fds[0], &got, 0), 1);
	CHECK(CMSG_FIRSTHDR(&got));
	memcpy(&travelled, CMSG_DATA(CMSG_FIRSTHDR(&got)), sizeof(int));
	CHECK_EQ(write(travelled, "y", 1), 1);
	CHECK_EQ(read(pipes[0], &byte, 1), 1);
	CHECK_EQ(byte, 'y');
	close(travelled);
	close_both(pipes);
	close_both(fds);
}

WAYS(what_the_system_calls_refuse_is_refused)
{
	struct iovec iov = {.iov_base = NULL, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int file = open("file", O_RDWR | O_CREAT, 0600);
	int64_t result;
	int fds[2];

	NEED_KERNEL();
	stream(fds);
	CHECK_EQ(do_send(-1, "x", 1, 0), -EBADF);
	CHECK_EQ(do_send(12345, "x", 1, 0), -EBADF);
	CHECK_EQ(do_send(file, "x", 1, 0), -ENOTSOCK);
	CHECK_EQ(do_send(fds[1], NULL, 1, 0), -EFAULT);
	CHECK_EQ(do_send(fds[1], "x", (size_t)UINT32_MAX + 2, 0), -EINVAL);
	CHECK_EQ(do_send(fds[1], "x", 1, MSG_OOB | MSG_DONTROUTE),
		 PLAIN(send(fds[1], "x", 1, MSG_OOB | MSG_DONTROUTE)));
	CHECK_EQ(do_sendto(-1, "x", 1, 0, NULL, 0), -EBADF);
	CHECK_EQ(do_sendto(fds[1], NULL, 1, 0, NULL, 0), -EFAULT);
	CHECK_EQ(do_sendmsg(-1, &msg, 0), -EBADF);
	CHECK_EQ(do_sendmsg(fds[1], NULL, 0), -EFAULT);
	NEED_BAD_ADDRESSES();
	CHECK_EQ(do_sendmsg(fds[1], (struct msghdr *)8, 0), -EFAULT);
	CHECK_EQ(do_sendmsg(fds[1], &msg, 0), PLAIN(sendmsg(fds[1], &msg, 0)));
	/* EMSGSIZE by the system call, and by io_uring since some version. */
	msg.msg_iovlen = IOV_MAX + 1;
	result = do_sendmsg(fds[1], &msg, 0);
	CHECK(result == -EMSGSIZE || (result == -EINVAL && way_is_submitted()));
	msg.msg_iovlen = 0;
	CHECK_EQ(do_sendmsg(file, &msg, 0), -ENOTSOCK);
	close_both(fds);
	close(file);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(a_send_to_a_stream_ends_when_all_is_sent),
		WAYS_CASES(MSG_DONTWAIT_sends_what_there_is_room_for),
		WAYS_CASES(a_broken_connection_is_EPIPE_and_no_signal),
		WAYS_CASES(a_send_that_is_cut_off_replies_with_what_was_sent),
		WAYS_CASES(a_datagram_goes_to_the_address),
		WAYS_CASES(a_descriptor_travels_with_a_message),
		WAYS_CASES(what_the_system_calls_refuse_is_refused),
	};

	return harness_run("op_send", cases, ARRAY_SIZE(cases), argc, argv);
}
