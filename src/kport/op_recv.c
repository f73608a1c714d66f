/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_recv.c - what comes by a socket
 *
 *	ms_fd, ms_addr, ms_len, ms_opflags; recvfrom: ms_addr2 (the struct ell_peer)
 *	recvmsg: ms_addr (the header)
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

static void prepare(struct ell_msg *m, enum ell_op op, int fd, void *addr, uint64_t len, int flags)
{
	message_prep(m, op);
	m->ms_fd = fd;
	m->ms_addr = addr;
	m->ms_len = len;
	m->ms_opflags = (uint32_t)flags;
}

EXPORT void ell_msg_recv(struct ell_msg *m, int fd, void *buf, size_t len, int flags)
{
	prepare(m, ELL_OP_RECV, fd, buf, len, flags);
}

EXPORT void ell_msg_recvfrom(struct ell_msg *m, int fd, void *buf, size_t len, int flags, struct ell_peer *from)
{
	prepare(m, ELL_OP_RECVFROM, fd, buf, len, flags);
	m->ms_addr2 = from;
}

EXPORT void ell_msg_recvmsg(struct ell_msg *m, int fd, struct msghdr *msg, int flags)
{
	prepare(m, ELL_OP_RECVMSG, fd, msg, 0, flags);
}

int op_recv_check(const struct ell_msg *m)
{
	return op_check_buffer(m->ms_fd, m->ms_addr, m->ms_len);
}

/* io_uring receives an address only with a header. A message has no room for one: it lies in the caller's ell_peer. */
static struct msghdr *make_header(struct ell_msg *m)
{
	struct ell_peer *from = m->ms_addr2;

	from->ep_iov = (struct iovec){.iov_base = m->ms_addr, .iov_len = m->ms_len};
	from->ep_msg = (struct msghdr){
		.msg_name = &from->ep_addr,
		.msg_namelen = sizeof(from->ep_addr),
		.msg_iov = &from->ep_iov,
		.msg_iovlen = 1,
	};
	return &from->ep_msg;
}

void op_recv_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_recv(sqe, m->ms_fd, m->ms_addr, m->ms_len, (int)m->ms_opflags);
}

void op_recvmsg_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_recvmsg(sqe, m->ms_fd, m->ms_addr, m->ms_opflags);
}

void op_recvfrom_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	if (m->ms_addr2)
		io_uring_prep_recvmsg(sqe, m->ms_fd, make_header(m), m->ms_opflags);
	else
		op_recv_prep(sqe, m);
}

static int64_t receive(const struct ell_msg *m, int flags)
{
	return OP_CALL(SYS_recvfrom, m->ms_fd, m->ms_addr, m->ms_len, flags, NULL, NULL);
}

static int64_t receive_message(const struct ell_msg *m, struct msghdr *msg, int flags)
{
	return OP_CALL(SYS_recvmsg, m->ms_fd, msg, flags, 0, 0, 0);
}

static int64_t call_recv(struct ell_msg *m)
{
	return receive(m, (int)m->ms_opflags);
}

static int64_t call_recvmsg(struct ell_msg *m)
{
	return receive_message(m, m->ms_addr, (int)m->ms_opflags);
}

static int64_t call_recvfrom(struct ell_msg *m)
{
	return receive_message(m, make_header(m), (int)m->ms_opflags);
}

static int64_t run(struct ell_msg *m, op_call *call)
{
	return m->ms_opflags & MSG_DONTWAIT ? call(m) : op_retry(m, POLLIN, call);
}

int64_t op_recv_run(struct ell_msg *m)
{
	return run(m, call_recv);
}

int64_t op_recvmsg_run(struct ell_msg *m)
{
	return run(m, call_recvmsg);
}

int64_t op_recvfrom_run(struct ell_msg *m)
{
	return run(m, m->ms_addr2 ? call_recvfrom : call_recv);
}

/* MSG is NULL: buffer and length are the message's. */
static int64_t attempt(const struct ell_msg *m, struct msghdr *msg)
{
	int flags = (int)m->ms_opflags;
	short events = flags & MSG_OOB ? POLLPRI : flags & MSG_ERRQUEUE ? POLLERR : POLLIN;
	int64_t result;

	/* What has come so far would have to be remembered: a helper waits for the rest. */
	if ((flags & (MSG_WAITALL | MSG_DONTWAIT)) == MSG_WAITALL)
		return op_wait_or_block(m->ms_fd, events);
	flags |= MSG_DONTWAIT;
	result = msg ? receive_message(m, msg, flags) : receive(m, flags);
	return result == -EAGAIN && !(m->ms_opflags & MSG_DONTWAIT) ? OP_WAIT(events) : result;
}

int64_t op_recv_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return attempt(m, NULL);
}

int64_t op_recvmsg_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return attempt(m, m->ms_addr);
}

int64_t op_recvfrom_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return attempt(m, m->ms_addr2 ? make_header(m) : NULL);
}
