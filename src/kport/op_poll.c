/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_poll.c - waiting for a descriptor: once, or for the library's own watches edge by edge
 *
 *	ms_fd, ms_opflags (events)
 */
#include <ellula/ops.h>
#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/compiler.h"
#include "kport/op_args.h"
#include "kport/op_rows.h"
#include "kport/op_run.h"
#include "message/message.h"
#include "sys/sys.h"

EXPORT void ell_msg_poll_fd(struct ell_msg *m, int fd, unsigned events)
{
	message_prep(m, ELL_OP_POLL);
	m->ms_fd = fd;
	m->ms_opflags = events;
}

/* Above the events of poll(2) io_uring takes flags of epoll, which change what a message is. */
int op_poll_check(const struct ell_msg *m)
{
	if (m->ms_fd < 0)
		return -EBADF;
	return m->ms_opflags > UINT16_MAX ? -EINVAL : 0;
}

void op_poll_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_poll_add(sqe, m->ms_fd, m->ms_opflags);
}

void op_watch_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_poll_multishot(sqe, m->ms_fd, m->ms_opflags | EPOLLET);
}

static int64_t look(const struct ell_msg *m, struct timespec *timeout)
{
	struct pollfd pfd = {.fd = m->ms_fd, .events = (short)m->ms_opflags};
	int64_t result = OP_CALL(SYS_ppoll, &pfd, 1, timeout, NULL, 0, 0);

	if (result < 0)
		return result;
	return pfd.revents & POLLNVAL ? -EBADF : (uint16_t)pfd.revents;
}

int64_t op_poll_run(struct ell_msg *m)
{
	return look(m, NULL);
}

/* Errors and a hang-up are reported whether they were asked for or not. */
int64_t op_poll_attempt(struct ell_msg *m, bool again)
{
	/* The kernel writes what is left of it, and an emulator minds if it cannot. */
	struct timespec none = {0};
	int64_t events = look(m, &none);

	(void)again;
	return events ? events : OP_WAIT(m->ms_opflags | POLLERR | POLLHUP);
}
