/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * descriptors.c - descriptors of the library's own, among the program's
 *
 * The rings, what wakes their owners, and pipes that data go through have numbers in the table that the program knows
 * as its own: it expects to get the lowest number that it has not used, and may close all that it has not opened, as
 * closefrom() does. So ours are moved up, out of the way, and are left alone by whoever closes or replaces them: for
 * the program they are not open, or out of its range, which is both EBADF. (EBUSY from dup2(), which would fit, lets
 * musl try again for ever.)
 *
 * Which these are is known because the runtime asks for them in the table of its calls (sys/sys.h), of whose entries a
 * few are replaced here. While one is made it has a low number for a moment: it is made again if it is closed then.
 *
 * Rejected: a table of descriptors of the LWPs' own, for messages are about the program's.
 */
#include "personality/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/resource.h>

#include "sys/sys.h"

/* Not higher, whatever the limit: the kernel's table is as long as its highest number. */
enum { HIGHEST = 1024 };

uint64_t descriptors_map[DESCRIPTORS_MOST / 64];

static void mark(int fd, bool ours)
{
	uint64_t bit;

	if (fd < 0 || fd >= DESCRIPTORS_MOST)
		return;
	bit = UINT64_C(1) << (fd % 64);
	if (ours)
		__atomic_fetch_or(&descriptors_map[fd / 64], bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&descriptors_map[fd / 64], ~bit, __ATOMIC_RELAXED);
}

/*
 * *FD, new or -1, gets a number of the last quarter, if one is free. False: a thread that closes what it does not know
 * has closed it meanwhile, and it is to be made again.
 */
static bool adopt(int *fd)
{
	struct rlimit limit = {.rlim_cur = HIGHEST};
	int high;

	if (*fd < 0)
		return true;
	sys.getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > HIGHEST)
		limit.rlim_cur = HIGHEST;
	high = sys.fcntl(*fd, F_DUPFD_CLOEXEC, (long)(limit.rlim_cur / 4 * 3));
	if (high < 0 && errno == EBADF)
		return false;
	if (high >= 0) {
		sys_real.close(*fd);
		*fd = high;
	}
	mark(*fd, true);
	return true;
}

static int new_epoll(int flags)
{
	int fd;

	do
		fd = sys_real.epoll_create1(flags);
	while (!adopt(&fd));
	return fd;
}

static int new_eventfd(unsigned count, int flags)
{
	int fd;

	do
		fd = sys_real.eventfd(count, flags);
	while (!adopt(&fd));
	return fd;
}

/* The mark goes first: afterwards the number may be the program's. */
static int end(int fd)
{
	mark(fd, false);
	return sys_real.close(fd);
}

static int new_pipe(int fds[2], int flags)
{
	while (sys_real.pipe2(fds, flags) == 0) {
		bool first = adopt(&fds[0]), second = adopt(&fds[1]);

		if (first && second)
			return 0;
		if (first || second)
			end(fds[second]);
	}
	return -1;
}

static int new_ring(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
	const struct io_uring_params asked = *params;

	for (;;) {
		int error = sys_real.io_uring_queue_init_params(entries, ring, params), fd = ring->ring_fd;

		if (error)
			return error;
		if (adopt(&fd)) {
			ring->ring_fd = ring->enter_ring_fd = fd;
			return 0;
		}
		/* The number may be another file's. */
		ring->ring_fd = ring->enter_ring_fd = -1;
		sys_real.io_uring_queue_exit(ring);
		*params = asked;
	}
}

static void end_ring(struct io_uring *ring)
{
	mark(ring->ring_fd, false);
	sys_real.io_uring_queue_exit(ring);
}

void descriptors_begin(void)
{
	sys.epoll_create1 = new_epoll;
	sys.eventfd = new_eventfd;
	sys.pipe2 = new_pipe;
	sys.io_uring_queue_init_params = new_ring;
	sys.close = end;
	sys.io_uring_queue_exit = end_ring;
}

uint64_t descriptors_next(uint32_t first, uint32_t last)
{
	uint64_t fd = first;

	while (fd <= last && fd < DESCRIPTORS_MOST) {
		uint64_t rest = load_relaxed(&descriptors_map[fd / 64]) >> (fd % 64);

		if (rest) {
			fd += (uint64_t)__builtin_ctzll(rest);
			return fd <= last ? fd : (uint64_t)last + 1;
		}
		fd = (fd | 63) + 1;
	}
	return (uint64_t)last + 1;
}
