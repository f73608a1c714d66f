/* SPDX-License-Identifier: BSD-2-Clause */
/* op_run.h - what makes the two forms of an operation, submission and system call, do the same */
#ifndef KPORT_OP_RUN_H
#define KPORT_OP_RUN_H

#include <ellula/message.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "kport/op.h"

/* One system call for M: the result or -errno. */
typedef int64_t op_call(struct ell_msg *m);

/*
 * The system call NR, which may block: what it returned, or -errno. On a helper a revoke ends it with -EINTR, which
 * means nothing else: other interruptions begin again. Context: any.
 */
#define OP_CALL(nr, a, b, c, d, e, f) op_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
int64_t op_syscall(long nr, long a, long b, long c, long d, long e, long f);

/* From now on *REVOKED, once it is not 0, ends the system calls of this kernel thread. Context: F, a helper. */
void op_syscalls_end_by(const uint32_t *revoked);

/* What a function of the C library returned: that, or -errno. */
static inline int64_t op_result(int64_t returned)
{
	return returned < 0 ? -errno : returned;
}

/*
 * The notes of an operation of several steps lie in ms_scratch: all zero before the first step and after the last
 * one, so that a message can be sent again. Who prepares such a message clears them.
 */
static inline void op_steps_clear(struct ell_msg *m)
{
	m->ms_scratch[0] = m->ms_scratch[1] = m->ms_scratch[2] = m->ms_scratch[3] = 0;
}

/* Which of EVENTS of FD have come: 0, or poll(2) events. Context: T V F. */
short op_ready(int fd, short events);

/* Of a system call that would be right but may block: is it for later, or for a helper now? Context: T V. */
static inline int64_t op_wait_or_block(int fd, short events)
{
	return op_ready(fd, events) ? OP_BLOCKS : OP_WAIT(events);
}

/* Waits for one of EVENTS of FD: 0 or -errno. Context: F. */
int64_t op_wait(int fd, short events);

/*
 * Calls CALL until its result is not -EAGAIN, waiting for one of EVENTS of the message's descriptor: a submission to
 * io_uring does not look at O_NONBLOCK, so the plain call must not either. -EINTR: the message is revoked. Context: F.
 */
int64_t op_retry(struct ell_msg *m, short events, op_call *call);

/* The same for an operation of several steps, until STEP has had enough. Context: F. */
int64_t op_retry_steps(struct ell_msg *m, short events, op_call *call,
		       bool (*step)(struct ell_msg *m, int64_t *result, bool revoked));

/*
 * A step of a write of TOTAL bytes to a pipe or a stream, which io_uring ends early where write(2) goes on: true if
 * there is a rest to be written, from byte ms_scratch[0] on. A short write to anything else is final. Context: V F.
 */
bool op_rest(struct ell_msg *m, uint64_t total, int64_t *result, bool revoked);

/*
 * What M, which is revoked between two attempts or before the first one on a helper, has as its result: what it has
 * done so far, or -ECANCELED. Context: T V F.
 */
int64_t op_stopped(struct ell_msg *m);

/*
 * RESULT as the reply says it. A worker of io_uring that a cancel interrupts may give the kernel's own codes for "begin
 * again", which no system call returns.
 */
int64_t op_outcome(int64_t result, bool revoked);

/*
 * The first piece of what is left of COUNT vectors after DONE bytes: the end of the vector that they end in, or the
 * next one that is not empty. There is one.
 */
struct iovec op_rest_vector(const struct iovec *iov, uint64_t count, uint64_t done);

/* How many bytes COUNT vectors hold, of which the kernel has just taken some. */
uint64_t op_total(const struct iovec *iov, uint64_t count);

#endif
