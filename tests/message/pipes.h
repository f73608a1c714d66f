/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipes.h - what a kernel's pipes can do
 *
 * Before Linux 6.4 pipes know no IOCB_NOWAIT, so io_uring hands each read and write of one to a worker of its own.
 * These start when they like, and never in time for a deadline that has passed.
 */
#ifndef MESSAGE_PIPES_H
#define MESSAGE_PIPES_H

#include <errno.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>

#include "harness/harness.h"

static inline bool pipes_need_workers(void)
{
	struct iovec iov = {.iov_base = &iov, .iov_len = 1};
	bool need;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(preadv2(ends[0], &iov, 1, -1, RWF_NOWAIT), -1);
	need = errno == EOPNOTSUPP;
	close(ends[0]);
	close(ends[1]);
	return need;
}

static inline void need_pipes_without_workers(void)
{
	if (pipes_need_workers())
		SKIP("this kernel's pipes need workers, which start when they like");
}

#endif
