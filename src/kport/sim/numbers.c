/* SPDX-License-Identifier: BSD-2-Clause */
/* numbers.c - calls that a helper makes by their numbers, and that end when their message is cancelled */
#include <errno.h>
#include <sys/syscall.h>

#include "kport/sim/files.h"
#include "kport/sim/sim.h"
#include "sys/sys.h"

#define P(x) ((void *)(x))

static int64_t call_by_number(long nr, long a, long b, long c, long d)
{
	struct iovec iov = {P(b), (size_t)c};

	switch (nr) {
	case SYS_accept4:
		return sys.accept4((int)a, P(b), P(c), (int)d);
	case SYS_connect:
		return sys.connect((int)a, P(b), (socklen_t)c);
	case SYS_openat:
		return sys.openat((int)a, P(b), (int)c, (mode_t)d);
	case SYS_ppoll:
		return sys.poll(P(a), (nfds_t)b, -1);
	case SYS_pread64:
		return sys.preadv((int)a, &iov, 1, d);
	case SYS_pwrite64:
		return sys.pwritev((int)a, &iov, 1, d);
	case SYS_preadv:
	case SYS_preadv2:
		return sys.preadv((int)a, P(b), (int)c, d);
	case SYS_pwritev:
	case SYS_pwritev2:
		return sys.pwritev((int)a, P(b), (int)c, d);
	case SYS_readv:
		return sys.readv((int)a, P(b), (int)c);
	case SYS_writev:
		return sys.writev((int)a, P(b), (int)c);
	case SYS_read:
		return sys.read((int)a, P(b), (size_t)c);
	case SYS_write:
		return sys.write((int)a, P(b), (size_t)c);
	case SYS_recvfrom:
		return sys.recv((int)a, P(b), (size_t)c, (int)d);
	case SYS_sendto:
		return sys.send((int)a, P(b), (size_t)c, (int)d);
	case SYS_recvmsg:
		return sys.recvmsg((int)a, P(b), (int)c);
	case SYS_sendfile:
		return sim_sendfile((int)a, (int)b, P(c), (size_t)d);
	case SYS_sendmsg:
		return sys.sendmsg((int)a, P(b), (int)c);
	case SYS_waitid:
		return sys.waitid((idtype_t)a, (id_t)b, P(c), (int)d);
	default:
		return sim_fail(ENOSYS);
	}
}

static int64_t sim_interruptible(const uint32_t *ended, long nr, long a, long b, long c, long d, long e, long f)
{
	int64_t result;

	(void)e;
	(void)f;
	world_stop_by(ended);
	result = call_by_number(nr, a, b, c, d);
	world_stop_by(NULL);
	if (result >= 0)
		return result;
	return errno == EINTR && job_is_cancelled(job_self()) ? -ECANCELED : -errno;
}

void numbers_begin(void)
{
	sys.interruptible = sim_interruptible;
}
