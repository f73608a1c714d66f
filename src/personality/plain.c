/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plain.c - the runtime's own calls, made without the C library
 *
 * The C library's functions of these names are points at which a thread may be cancelled, and the thread that is
 * cancelled while it is in the runtime would end there, with what it holds. So here they are plain system calls. It
 * saves the way through a rewritten call site, too. Like those in names.c they are hidden, and stand before the C
 * library's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "personality/entry.h"
#include "personality/masks.h"
#include "personality/plain.h"

/* The headers' names for arguments begin with two underscores. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
#define PLAIN(type, name, parameters, ...)                                                                             \
	type name parameters                                                                                           \
	{                                                                                                              \
		return (type)plain_result(RAW(__VA_ARGS__));                                                           \
	}

PLAIN(ssize_t, read, (int fd, void *buf, size_t size), SYS_read, fd, buf, size)
PLAIN(ssize_t, write, (int fd, const void *buf, size_t size), SYS_write, fd, buf, size)
PLAIN(ssize_t, readv, (int fd, const struct iovec *iov, int count), SYS_readv, fd, iov, count)
PLAIN(ssize_t, writev, (int fd, const struct iovec *iov, int count), SYS_writev, fd, iov, count)
PLAIN(ssize_t, preadv, (int fd, const struct iovec *iov, int count, off_t at), SYS_preadv, fd, iov, count, at, 0)
PLAIN(ssize_t, pwritev, (int fd, const struct iovec *iov, int count, off_t at), SYS_pwritev, fd, iov, count, at, 0)
PLAIN(ssize_t, recv, (int fd, void *buf, size_t size, int flags), SYS_recvfrom, fd, buf, size, flags)
PLAIN(ssize_t, send, (int fd, const void *buf, size_t size, int flags), SYS_sendto, fd, buf, size, flags)
PLAIN(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), SYS_recvmsg, fd, msg, flags)
PLAIN(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), SYS_sendmsg, fd, msg, flags)
PLAIN(int, accept4, (int fd, struct sockaddr *at, socklen_t *size, int flags), SYS_accept4, fd, at, size, flags)
PLAIN(int, connect, (int fd, const struct sockaddr *at, socklen_t size), SYS_connect, fd, at, size)
PLAIN(int, close, (int fd), SYS_close, fd)
PLAIN(int, fsync, (int fd), SYS_fsync, fd)
PLAIN(int, fdatasync, (int fd), SYS_fdatasync, fd)
PLAIN(int, sync_file_range, (int fd, off_t at, off_t size, unsigned flags), SYS_sync_file_range, fd, at, size, flags)
PLAIN(int, poll, (struct pollfd * fds, nfds_t count, int ms), SYS_poll, fds, count, ms)
PLAIN(int, epoll_wait, (int fd, struct epoll_event *events, int most, int ms), SYS_epoll_wait, fd, events, most, ms)
PLAIN(int, nanosleep, (const struct timespec *ts, struct timespec *rest), SYS_nanosleep, ts, rest)
PLAIN(int, pause, (void), SYS_pause)
PLAIN(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *ts), SYS_rt_sigtimedwait, set,
      info, ts, MASKS_SIZE)

/* Not in every C library. */
PLAIN(ssize_t, preadv2, (int fd, const struct iovec *iov, int count, off_t at, int flags), SYS_preadv2, fd, iov, count,
      at, 0, flags)
PLAIN(ssize_t, pwritev2, (int fd, const struct iovec *iov, int count, off_t at, int flags), SYS_pwritev2, fd, iov,
      count, at, 0, flags)
PLAIN(int, statx, (int dir, const char *path, int flags, unsigned mask, struct statx *st), SYS_statx, dir, path, flags,
      mask, st)
PLAIN(int, renameat2, (int from_dir, const char *from, int to_dir, const char *to, unsigned flags), SYS_renameat2,
      from_dir, from, to_dir, to, flags)
PLAIN(int, execveat, (int dir, const char *path, char *const argv[], char *const envp[], int flags), SYS_execveat, dir,
      path, argv, envp, flags)
PLAIN(int, getcpu, (unsigned *cpu, unsigned *node), SYS_getcpu, cpu, node)

/* Those with varying arguments: one more, of a size that goes into a register. */
#define PLAIN_AND_MORE(name, parameters, last, ...)                                                                    \
	int name parameters                                                                                            \
	{                                                                                                              \
		va_list args;                                                                                          \
		long more;                                                                                             \
                                                                                                                       \
		va_start(args, last);                                                                                  \
		more = va_arg(args, long);                                                                             \
		va_end(args);                                                                                          \
		return (int)plain_result(RAW(__VA_ARGS__, more));                                                      \
	}

PLAIN_AND_MORE(fcntl, (int fd, int command, ...), command, SYS_fcntl, fd, command)
PLAIN_AND_MORE(openat, (int dir, const char *path, int flags, ...), flags, SYS_openat, dir, path, flags)
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

long plain_result(long result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}
