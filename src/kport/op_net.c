/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_net.c - sockets: made, bound, connected, accepted, shut down
 *
 *	ms_fd, ms_addr (of the address), ms_len (its length) or ms_addr2 (accept: where that is), ms_opflags
 *	socket: ms_fd (domain), ms_opflags (type), ms_fd2 (protocol)
 */
#include <ellula/ops.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/compiler.h"
#include "kport/op_args.h"
#include "kport/op_newer.h"
#include "kport/op_rows.h"
#include "kport/op_run.h"
#include "message/message.h"
#include "sys/sys.h"

static void prepare(struct ell_msg *m, enum ell_op op, int fd, const void *addr, uint64_t len, int opflags)
{
	message_prep(m, op);
	m->ms_fd = fd;
	m->ms_addr = (void *)(uintptr_t)addr;
	m->ms_len = len;
	m->ms_opflags = (uint32_t)opflags;
}

EXPORT void ell_msg_socket(struct ell_msg *m, int domain, int type, int protocol)
{
	prepare(m, ELL_OP_SOCKET, domain, NULL, 0, type);
	m->ms_fd2 = protocol;
}

EXPORT void ell_msg_bind(struct ell_msg *m, int fd, const struct sockaddr *addr, socklen_t len)
{
	prepare(m, ELL_OP_BIND, fd, addr, len, 0);
}

EXPORT void ell_msg_listen(struct ell_msg *m, int fd, int backlog)
{
	prepare(m, ELL_OP_LISTEN, fd, NULL, 0, backlog);
}

EXPORT void ell_msg_accept(struct ell_msg *m, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	prepare(m, ELL_OP_ACCEPT, fd, addr, 0, flags);
	m->ms_addr2 = len;
}

EXPORT void ell_msg_connect(struct ell_msg *m, int fd, const struct sockaddr *addr, socklen_t len)
{
	prepare(m, ELL_OP_CONNECT, fd, addr, len, 0);
}

EXPORT void ell_msg_shutdown(struct ell_msg *m, int fd, int how)
{
	prepare(m, ELL_OP_SHUTDOWN, fd, NULL, 0, how);
}

int op_sockaddr_check(const struct ell_msg *m)
{
	if (m->ms_fd < 0)
		return -EBADF;
	if (m->ms_len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	return m->ms_addr || m->ms_len == 0 ? 0 : -EFAULT;
}

int op_accept_check(const struct ell_msg *m)
{
	if (m->ms_fd < 0)
		return -EBADF;
	return m->ms_addr && !m->ms_addr2 ? -EFAULT : 0;
}

void op_socket_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_socket(sqe, m->ms_fd, (int)m->ms_opflags, m->ms_fd2, 0);
}

void op_bind_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_rw(OP_URING_BIND, sqe, m->ms_fd, m->ms_addr, 0, m->ms_len);
}

void op_listen_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_rw(OP_URING_LISTEN, sqe, m->ms_fd, NULL, m->ms_opflags, 0);
}

void op_accept_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_accept(sqe, m->ms_fd, m->ms_addr, m->ms_addr2, (int)m->ms_opflags);
}

void op_connect_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_connect(sqe, m->ms_fd, m->ms_addr, (socklen_t)m->ms_len);
}

void op_shutdown_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_shutdown(sqe, m->ms_fd, (int)m->ms_opflags);
}

int64_t op_socket_run(struct ell_msg *m)
{
	return op_result(sys.socket(m->ms_fd, (int)m->ms_opflags, m->ms_fd2));
}

int64_t op_bind_run(struct ell_msg *m)
{
	return op_result(sys.bind(m->ms_fd, m->ms_addr, (socklen_t)m->ms_len));
}

int64_t op_listen_run(struct ell_msg *m)
{
	return op_result(sys.listen(m->ms_fd, (int)m->ms_opflags));
}

static int64_t call_accept(struct ell_msg *m)
{
	return OP_CALL(SYS_accept4, m->ms_fd, m->ms_addr, m->ms_addr2, m->ms_opflags, 0, 0);
}

int64_t op_accept_run(struct ell_msg *m)
{
	return op_retry(m, POLLIN, call_accept);
}

static int64_t call_connect(struct ell_msg *m)
{
	return OP_CALL(SYS_connect, m->ms_fd, m->ms_addr, m->ms_len, 0, 0, 0);
}

/* With O_NONBLOCK the first call begins, POLLOUT is the end of it, and the second call tells how it went. */
int64_t op_connect_run(struct ell_msg *m)
{
	int64_t result = call_connect(m);

	if (result != -EINPROGRESS)
		return result;
	do {
		result = op_wait(m->ms_fd, POLLOUT);
		if (result >= 0)
			result = call_connect(m);
	} while (result == -EALREADY);
	return result == -EISCONN ? 0 : result;
}

int64_t op_shutdown_run(struct ell_msg *m)
{
	return op_result(sys.shutdown(m->ms_fd, (int)m->ms_opflags));
}

int64_t op_socket_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return op_socket_run(m);
}

/* A name in a file system may be slow to reach; an Internet address is not. */
int64_t op_bind_attempt(struct ell_msg *m, bool again)
{
	const struct sockaddr *addr = m->ms_addr;

	(void)again;
	if (addr && m->ms_len >= sizeof(addr->sa_family) && addr->sa_family == AF_UNIX)
		return OP_BLOCKS;
	return op_bind_run(m);
}

int64_t op_listen_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return op_listen_run(m);
}

int64_t op_shutdown_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return op_shutdown_run(m);
}

static bool is_nonblocking(int fd)
{
	int flags = sys.fcntl(fd, F_GETFL, 0);

	return flags < 0 || (flags & O_NONBLOCK);
}

/* The option NAME of the socket FD, or -1. */
static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return sys.getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

/*
 * accept(2) has no MSG_DONTWAIT, and a listener may be shared with other LWPs and processes, who may take the
 * connection that poll(2) has seen. So of one in blocking mode a helper takes it.
 */
int64_t op_accept_attempt(struct ell_msg *m, bool again)
{
	int64_t result;

	/* What is wrong is wrong at once, whether a connection comes or not. */
	if (!again && (option(m->ms_fd, SO_ACCEPTCONN) != 1 || m->ms_opflags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)))
		return OP_BLOCKS;
	if (!is_nonblocking(m->ms_fd))
		return op_wait_or_block(m->ms_fd, POLLIN);
	result = call_accept(m);
	return result == -EAGAIN ? OP_WAIT(POLLIN) : result;
}

/*
 * A TCP socket that does not listen has nothing to offer before it is connected, so nobody sees that its mode changes
 * for the moment in which the connection begins. On others (a local one whose listener's queue is full) connect(2) may
 * wait for what poll(2) does not know.
 */
static bool may_change_mode(int fd)
{
	int domain = option(fd, SO_DOMAIN);

	return (domain == AF_INET || domain == AF_INET6) && option(fd, SO_TYPE) == SOCK_STREAM &&
	       option(fd, SO_ACCEPTCONN) == 0;
}

int64_t op_connect_attempt(struct ell_msg *m, bool again)
{
	bool change = !is_nonblocking(m->ms_fd);
	int mode = 1;
	int64_t result;

	if (change) {
		if (!may_change_mode(m->ms_fd))
			return OP_BLOCKS;
		sys.ioctl(m->ms_fd, FIONBIO, &mode);
	}
	result = call_connect(m);
	if (change) {
		mode = 0;
		sys.ioctl(m->ms_fd, FIONBIO, &mode);
	}
	if (result == -EINPROGRESS || (again && result == -EALREADY))
		return OP_WAIT(POLLOUT);
	return again && result == -EISCONN ? 0 : result;
}
