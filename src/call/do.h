/* SPDX-License-Identifier: BSD-2-Clause */
/* do.h - send a message, wait for its reply, and speak POSIX about it */
#ifndef CALL_DO_H
#define CALL_DO_H

#include <ellula/message.h>
#include <errno.h>
#include <stdint.h>
#include <sys/types.h>

#include "sched/wait.h"

/*
 * The one place where -errno becomes errno and -1. After a wait the thread may be on another LWP, but its errno is
 * where it was: it has TLS of its own, or has not moved.
 */
static inline ssize_t call_result(int64_t result)
{
	if (result >= 0)
		return (ssize_t)result;
	errno = (int)-result;
	return -1;
}

/* The result of M, or -errno; -EINTR if a signal handler has ended the call. Context: T F. Parks. */
static inline int64_t call_do(struct ell_msg *m, ell_time until)
{
	return wait_do(m, until);
}

#endif
