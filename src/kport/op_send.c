/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_send.c - what leaves by a socket
 *
 * io_uring adds MSG_NOSIGNAL to whatever it sends, so the system calls do, too: a message never raises SIGPIPE.
 *
 *	ms_fd, ms_addr, ms_len, ms_opflags; sendto: ms_addr2 and ms_fd2 (the address and its length)
 *	sendmsg: ms_addr (the header)
 */
#include <ellula/ops.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/compiler.h"
#include "kport/op_args.h"
#include "kport/op_rows.h"
#include "kport/op_run.h"
#include "message/message.h"
#include "sys/sys.h"

static void prepare(struct ell_msg *m, enum ell_op op, int fd, const void *addr, uint64_t len, int flags)
{
	message_prep(m, op);
	op_steps_clear(m);
	m->ms_fd = fd;
	m->ms_addr = (void *)(uintptr_t)addr;
	m->ms_len = len;
	m->ms_opflags = (uint32_t)flags;
}

EXPORT void ell_msg_sock_send(struct ell_msg *m, int fd, const void *buf, size_t len, int flags)
{
	prepare(m, ELL_OP_SEND, fd, buf, len, flags);
}

EXPORT void ell_msg_sendto(struct ell_msg *m, int fd, const void *buf, size_t len, int flags,
			   const struct sockaddr *addr, socklen_t addrlen)
{
	prepare(m, ELL_OP_SENDTO, fd, buf, len, flags);
	m->ms_addr2 = (void *)(uintptr_t)addr;
	m->ms_fd2 = addr ? (int32_t)addrlen : 0;
}

EXPORT void ell_msg_sendmsg(struct ell_msg *m, int fd, const struct msghdr *msg, int flags)
{
	prepare(m, ELL_OP_SENDMSG, fd, msg, 0, flags);
}

int op_send_check(const struct ell_msg *m)
{
	return op_check_buffer(m->ms_fd, m->ms_addr, m->ms_len);
}

/* Where the kernel's field for the length is 16 bits wide. */
int op_sendto_check(const struct ell_msg *m)
{
	int error = op_check_buffer(m->ms_fd, m->ms_addr, m->ms_len);

	if (error)
		return error;
	return (uint32_t)m->ms_fd2 > sizeof(struct sockaddr_storage) ? -EINVAL : 0;
}

int op_msghdr_check(const struct ell_msg *m)
{
	if (m->ms_fd < 0)
		return -EBADF;
	return m->ms_addr ? 0 : -EFAULT;
}

/* What is left to send, and where. */
static char *rest(const struct ell_msg *m, uint64_t *len)
{
	*len = m->ms_len - m->ms_scratch[0];
	return op_after(m->ms_addr, m->ms_scratch[0]);
}

/* The address, and the data that open a connection, go with the first step. */
static const struct sockaddr *address(const struct ell_msg *m)
{
	return m->ms_scratch[0] ? NULL : m->ms_addr2;
}

static int flags(const struct ell_msg *m)
{
	return (int)(m->ms_scratch[0] ? m->ms_opflags & ~(uint32_t)MSG_FASTOPEN : m->ms_opflags) | MSG_NOSIGNAL;
}

void op_send_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	uint64_t len;
	char *at = rest(m, &len);

	io_uring_prep_send(sqe, m->ms_fd, at, len, flags(m));
}

void op_sendto_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	op_send_prep(sqe, m);
	if (address(m))
		io_uring_prep_send_set_addr(sqe, address(m), (uint16_t)m->ms_fd2);
}

/*
 * The header is the caller's and stays as it is; what else it carries went with the first step. The rest is sent
 * vector by vector.
 */
void op_sendmsg_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	const struct msghdr *msg = m->ms_addr;
	struct iovec next;

	if (m->ms_scratch[0] == 0) {
		io_uring_prep_sendmsg(sqe, m->ms_fd, msg, (unsigned)flags(m));
		return;
	}
	next = op_rest_vector(msg->msg_iov, msg->msg_iovlen, m->ms_scratch[0]);
	io_uring_prep_send(sqe, m->ms_fd, next.iov_base, next.iov_len, flags(m));
}

bool op_send_step(struct ell_msg *m, int64_t *result, bool revoked)
{
	return op_rest(m, m->ms_len, result, revoked);
}

bool op_sendmsg_step(struct ell_msg *m, int64_t *result, bool revoked)
{
	const struct msghdr *msg = m->ms_addr;
	uint64_t total = *result > 0 ? op_total(msg->msg_iov, msg->msg_iovlen) : 0;

	return op_rest(m, total, result, revoked);
}

static int64_t send_to(const struct ell_msg *m, int more)
{
	const struct sockaddr *addr = address(m);
	uint64_t len;
	char *at = rest(m, &len);

	return OP_CALL(SYS_sendto, m->ms_fd, at, len, flags(m) | more, addr, addr ? m->ms_fd2 : 0);
}

static int64_t send_message(const struct ell_msg *m, int more)
{
	const struct msghdr *msg = m->ms_addr;
	struct iovec next;

	if (m->ms_scratch[0] == 0)
		return OP_CALL(SYS_sendmsg, m->ms_fd, msg, flags(m) | more, 0, 0, 0);
	next = op_rest_vector(msg->msg_iov, msg->msg_iovlen, m->ms_scratch[0]);
	return OP_CALL(SYS_sendto, m->ms_fd, next.iov_base, next.iov_len, flags(m) | more, NULL, 0);
}

static int64_t call_sendto(struct ell_msg *m)
{
	return send_to(m, 0);
}

static int64_t call_sendmsg(struct ell_msg *m)
{
	return send_message(m, 0);
}

int64_t op_sendto_run(struct ell_msg *m)
{
	return m->ms_opflags & MSG_DONTWAIT ? call_sendto(m) : op_retry_steps(m, POLLOUT, call_sendto, op_send_step);
}

/* To the address NULL. */
int64_t op_send_run(struct ell_msg *m)
{
	return op_sendto_run(m);
}

int64_t op_sendmsg_run(struct ell_msg *m)
{
	if (m->ms_opflags & MSG_DONTWAIT)
		return call_sendmsg(m);
	return op_retry_steps(m, POLLOUT, call_sendmsg, op_sendmsg_step);
}

static int64_t attempted(const struct ell_msg *m, int64_t result)
{
	return result == -EAGAIN && !(m->ms_opflags & MSG_DONTWAIT) ? OP_WAIT(POLLOUT) : result;
}

/* MSG_FASTOPEN makes a connection, and then is an attempt of connect(2). */
static bool opens(const struct ell_msg *m)
{
	return (m->ms_opflags & (MSG_FASTOPEN | MSG_DONTWAIT)) == MSG_FASTOPEN && m->ms_scratch[0] == 0;
}

int64_t op_sendto_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return opens(m) ? OP_BLOCKS : attempted(m, send_to(m, MSG_DONTWAIT));
}

int64_t op_send_attempt(struct ell_msg *m, bool again)
{
	return op_sendto_attempt(m, again);
}

int64_t op_sendmsg_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return opens(m) ? OP_BLOCKS : attempted(m, send_message(m, MSG_DONTWAIT));
}
