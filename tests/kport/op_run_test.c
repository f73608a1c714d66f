/* SPDX-License-Identifier: BSD-2-Clause */
/* op_run_test.c - what waits can be revoked, and then says so, or how much it had done */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ellula/ops.h>

#include "harness/harness.h"
#include "kport/op.h"
#include "kport/op_run.h"

enum { MANY = 1 << 22 };

/* The result of M, which is sent, cannot end, and is revoked. */
static int64_t revoked(struct ell_msg *m)
{
	NOTE("%s", op_table[m->ms_op].name);
	CHECK_EQ(ell_msg_send(m), 0);
	CHECK_EQ(ell_msg_wait(m, ell_after(20 * ELL_MSEC)), -ETIMEDOUT);
	CHECK_EQ(ell_msg_revoke(m), 0);
	CHECK_EQ(ell_msg_wait(m, ell_after(10 * ELL_SEC)), 0);
	return m->ms_result;
}

static void check_waiting_to_read(int from, int to)
{
	struct ell_msg m = {0};
	char buf[4];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};

	ell_msg_read(&m, from, buf, sizeof(buf), -1);
	CHECK_EQ(revoked(&m), -ECANCELED);
	ell_msg_readv(&m, from, &iov, 1, -1, 0);
	CHECK_EQ(revoked(&m), -ECANCELED);
	ell_msg_splice(&m, from, -1, to, -1, 10, 0);
	CHECK_EQ(revoked(&m), -ECANCELED);
	ell_msg_tee(&m, from, to, 10, 0);
	CHECK_EQ(revoked(&m), -ECANCELED);
	ell_msg_poll_fd(&m, from, POLLIN);
	CHECK_EQ(revoked(&m), -ECANCELED);
}

static void check_waiting_to_receive(int fd)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct ell_msg m = {0};
	char buf[4];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct ell_peer peer;

	ell_msg_recv(&m, fd, buf, sizeof(buf), 0);
	CHECK_EQ(revoked(&m), -ECANCELED);
	ell_msg_recvfrom(&m, fd, buf, sizeof(buf), 0, &peer);
	CHECK_EQ(revoked(&m), -ECANCELED);
	ell_msg_recvmsg(&m, fd, &msg, 0);
	CHECK_EQ(revoked(&m), -ECANCELED);
	CHECK_EQ(listen(listener, 1), 0);
	ell_msg_accept(&m, listener, NULL, NULL, 0);
	CHECK_EQ(revoked(&m), -ECANCELED);
	close(listener);
}

static void what_waits_for_something_to_come_can_be_revoked(void)
{
	char dir[] = "/tmp/ellula-fifo-XXXXXX";
	struct ell_msg m = {0};
	int from[2], to[2], sockets[2];

	CHECK_EQ(pipe(from), 0);
	CHECK_EQ(pipe(to), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	check_waiting_to_read(from[0], to[1]);
	check_waiting_to_receive(sockets[0]);
	CHECK(mkdtemp(dir));
	CHECK_EQ(chdir(dir), 0);
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	ell_msg_open(&m, "fifo", O_RDONLY, 0);
	CHECK_EQ(revoked(&m), -ECANCELED);
	CHECK_EQ(unlink("fifo"), 0);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(rmdir(dir), 0);
	for (int i = 0; i < 2; i++) {
		close(from[i]);
		close(to[i]);
		close(sockets[i]);
	}
}

/* The first message of each kind has written something when it is revoked, the second one nothing. */
static void what_had_begun_to_write_says_how_much(void)
{
	char *bytes = calloc(1, MANY);
	struct iovec iov = {.iov_base = bytes, .iov_len = MANY};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct ell_msg m[3] = {0};

	for (int i = 0; i < 3; i++) {
		int64_t written;
		int fds[2];

		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		ell_msg_write(&m[0], fds[1], bytes, MANY, -1);
		ell_msg_sock_send(&m[1], fds[1], bytes, MANY, 0);
		ell_msg_sendmsg(&m[2], fds[1], &msg, 0);
		written = revoked(&m[i]);
		CHECK(written > 0 && written < MANY);
		CHECK_EQ(revoked(&m[i]), -ECANCELED);
		CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
		for (ssize_t n; (n = read(fds[0], bytes, MANY)) > 0; written -= n)
			;
		CHECK_EQ(written, 0);
		close(fds[0]);
		close(fds[1]);
	}
	free(bytes);
}

static void a_deadline_ends_what_waits(void)
{
	struct ell_msg m = {0};
	int from[2], to[2];

	CHECK_EQ(pipe(from), 0);
	CHECK_EQ(pipe(to), 0);
	ell_msg_splice(&m, from[0], -1, to[1], -1, 10, 0);
	CHECK_EQ(ell_msg_do_until(&m, ell_after(20 * ELL_MSEC)), -ETIMEDOUT);
	for (int i = 0; i < 2; i++) {
		close(from[i]);
		close(to[i]);
	}
}

/* ERESTARTSYS is 512 in the kernel, and no business of a program. */
static void the_kernels_own_codes_do_not_get_out(void)
{
	CHECK_EQ(op_outcome(-512, true), -ECANCELED);
	CHECK_EQ(op_outcome(-516, true), -ECANCELED);
	CHECK_EQ(op_outcome(-512, false), -EINTR);
	CHECK_EQ(op_outcome(-EINTR, true), -ECANCELED);
	CHECK_EQ(op_outcome(-EINTR, false), -EINTR);
	CHECK_EQ(op_outcome(-EPIPE, true), -EPIPE);
	CHECK_EQ(op_outcome(0, true), 0);
	CHECK_EQ(op_outcome(512, true), 512);
}

static void the_rest_of_vectors_is_found(void)
{
	char bytes[10];
	struct iovec iov[] = {{bytes, 3}, {NULL, 0}, {bytes + 3, 4}, {bytes + 7, 2 * OP_MAX_COUNT}};
	struct iovec rest;

	for (uint64_t done = 0; done < 10; done++) {
		rest = op_rest_vector(iov, 4, done);
		CHECK(rest.iov_base == bytes + done);
		CHECK_EQ(rest.iov_len, done < 3 ? 3 - done : done < 7 ? 7 - done : OP_MAX_COUNT);
	}
	CHECK_EQ(op_total(iov, 3), 7);
	CHECK_EQ(op_total(iov, 4), OP_MAX_COUNT);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(what_waits_for_something_to_come_can_be_revoked, HARNESS_IN_RUN),
		HARNESS_CASE(what_had_begun_to_write_says_how_much, HARNESS_IN_RUN),
		HARNESS_CASE(a_deadline_ends_what_waits, HARNESS_IN_RUN),
		HARNESS_CASE(the_kernels_own_codes_do_not_get_out),
		HARNESS_CASE(the_rest_of_vectors_is_found),
	};

	return harness_run("op_run", cases, ARRAY_SIZE(cases), argc, argv);
}
