/* SPDX-License-Identifier: BSD-2-Clause */
/* op_run.h - what makes the two forms of an operation, submission and system call, do the same */
#ifndef KPORT_OP_RUN_H
#define KPORT_OP_RUN_H

#include <ellula/message.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* One system call for M: the result or -errno. */
typedef int64_t op_call(struct ell_msg *m);

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

/* Waits for one of EVENTS of FD. Context: F. */
void op_wait(int fd, short events);

/*
 * Calls CALL until its result is not -EAGAIN, waiting for one of EVENTS of the message's descriptor: a submission to
 * io_uring does not look at O_NONBLOCK, so the plain call must not either. Context: F.
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
