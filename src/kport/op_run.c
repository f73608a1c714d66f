/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_run.c - what makes the two forms of an operation, submission and system call, do the same
 *
 * They differ in two things.
 *
 * O_NONBLOCK: io_uring tries without blocking, polls, and tries again; whether the descriptor says O_NONBLOCK makes no
 * difference to it. That is what a message is, a request that is replied to when it is done, so the system call of the
 * helper is wrapped to behave like that. Who wants an answer at once says so with MSG_DONTWAIT or RWF_NOWAIT.
 *
 * Short writes: write(2) and send(2) on a blocking pipe or stream return when everything is written, and programs
 * rely on it; io_uring replies as soon as something is. Hence the steps. MSG_WAITALL asks io_uring to do the same by
 * itself, but only for sockets, and sockets with kernel TLS refuse it.
 */
#include "kport/op_run.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/panic.h"
#include "kport/op_args.h"
#include "kport/op_rows.h"
#include "sys/sys.h"

/* ERESTARTSYS to ERESTART_RESTARTBLOCK, from the kernel's include/linux/errno.h. */
enum { ERESTART_FIRST = 512, ERESTART_LAST = 516 };

short op_ready(int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	return sys.poll(&pfd, 1, 0) > 0 ? pfd.revents : 0;
}

enum { NAP_NS = 1000000 };

static const uint32_t never;

/* Each thread that is no helper sees the first value. */
static __thread const uint32_t *ended_by __attribute__((tls_model("initial-exec"))) = &never;

void op_syscalls_end_by(const uint32_t *revoked)
{
	ended_by = revoked;
}

int64_t op_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	const uint32_t *revoked = ended_by;
	int64_t result;

	/* A signal that was sent for the message before this one may come late. */
	do
		result = sys.interruptible(revoked, nr, a, b, c, d, e, f);
	while (result == -EINTR && !load_relaxed(revoked));
	return result;
}

int64_t op_wait(int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	return OP_CALL(SYS_ppoll, &pfd, 1, NULL, NULL, 0, 0);
}

int64_t op_retry(struct ell_msg *m, short events, op_call *call)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	int64_t result = call(m);

	for (unsigned tries = 0; result == -EAGAIN; tries++) {
		if (ell_msg_revoked(m))
			return -EINTR;
		op_wait(m->ms_fd, events);
		/* A peer's full queue does not show in poll(2): do not spin on it. */
		if (tries > 0)
			sys.nanosleep(&nap, NULL);
		result = call(m);
	}
	return result;
}

int64_t op_retry_steps(struct ell_msg *m, short events, op_call *call,
		       bool (*step)(struct ell_msg *m, int64_t *result, bool revoked))
{
	int64_t result;

	do
		result = op_retry(m, events, call);
	while (step(m, &result, ell_msg_revoked(m)));
	return result;
}

int64_t op_outcome(int64_t result, bool revoked)
{
	if (result <= -ERESTART_FIRST && result >= -ERESTART_LAST)
		result = -EINTR;
	return revoked && result == -EINTR ? -ECANCELED : result;
}

int64_t op_stopped(struct ell_msg *m)
{
	const struct op *row = &op_table[m->ms_op];
	int64_t result = -ECANCELED;

	if (row->attempt && row->step)
		row->step(m, &result, true);
	return result;
}

bool op_once_step(struct ell_msg *m, int64_t *result, bool revoked)
{
	(void)m;
	*result = op_outcome(*result, revoked);
	return false;
}

static bool is_stream(int fd)
{
	struct stat st;

	return sys.fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

bool op_rest(struct ell_msg *m, uint64_t total, int64_t *result, bool revoked)
{
	uint64_t done = m->ms_scratch[0];

	if (*result > 0) {
		done += (uint64_t)*result;
		m->ms_scratch[0] = done;
		if (done < total && !revoked && is_stream(m->ms_fd))
			return true;
	}
	/* What was written cannot be taken back: it is the result, whatever ended the rest. */
	*result = done > 0 ? (int64_t)done : op_outcome(*result, revoked);
	m->ms_scratch[0] = 0;
	return false;
}

struct iovec op_rest_vector(const struct iovec *iov, uint64_t count, uint64_t done)
{
	struct iovec rest;

	while (count > 0 && done >= iov->iov_len) {
		done -= iov->iov_len;
		iov++;
		count--;
	}
	ASSERT(count > 0);
	rest.iov_base = op_after(iov->iov_base, done);
	rest.iov_len = iov->iov_len - done;
	/* A vector may hold more than one call takes. */
	if (rest.iov_len > OP_MAX_COUNT)
		rest.iov_len = OP_MAX_COUNT;
	return rest;
}

uint64_t op_total(const struct iovec *iov, uint64_t count)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < count; i++)
		total += iov[i].iov_len;
	/* More than that the system call does not write either. */
	return total < OP_MAX_COUNT ? total : OP_MAX_COUNT;
}
