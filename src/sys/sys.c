/* SPDX-License-Identifier: BSD-2-Clause */
/* sys.c - the calls, as the C library, liburing or the kernel itself has them */
#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/compiler.h"

/* What the C library has with varying arguments, with a cancellation point that would be in our way, or not at all. */

static int with_openat(int dir, const char *path, int flags, mode_t mode)
{
	return openat(dir, path, flags, mode);
}

static int with_fcntl(int fd, int command, long arg)
{
	return fcntl(fd, command, arg);
}

static int with_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

static int with_prctl(int option, unsigned long arg)
{
	return prctl(option, arg, 0, 0, 0);
}

static long with_futex(uint32_t *word, int op, uint32_t value, const struct timespec *until, uint32_t mask)
{
	return syscall(SYS_futex, word, op, value, until, NULL, mask);
}

static ssize_t with_process_madvise(int pidfd, const struct iovec *ranges, size_t count, int advice)
{
	return syscall(SYS_process_madvise, pidfd, ranges, count, advice, 0);
}

static int with_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	return (int)syscall(SYS_waitid, type, id, info, options, NULL);
}

static int with_membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0, 0);
}

static int with_tgkill(pid_t pid, pid_t tid, int number)
{
	return (int)syscall(SYS_tgkill, pid, tid, number);
}

/*
 * As the kernel does it: the C library leaves its own two signals out of what is to be blocked, and what was blocked
 * before could not be put back.
 */
static int with_pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
	return syscall(SYS_rt_sigprocmask, how, set, before, 8) == 0 ? 0 : errno;
}

static pid_t with_gettid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

/* The C library has a type of its own for the first argument. */
static int with_getrlimit(int resource, struct rlimit *limit)
{
	return getrlimit(resource, limit);
}

/* Not in every C library; the last argument is the size of a mask that is not there. */
static int with_epoll_wait_until(int epoll, struct epoll_event *events, int count, const struct timespec *left)
{
	return (int)syscall(SYS_epoll_pwait2, epoll, events, count, left, NULL, 0);
}

#define openat with_openat
#define fcntl with_fcntl
#define ioctl with_ioctl
#define prctl with_prctl
#define futex with_futex
#define process_madvise with_process_madvise
#define waitid with_waitid
#define gettid with_gettid
#define membarrier with_membarrier
#define tgkill with_tgkill
#define pthread_sigmask with_pthread_sigmask
#define getrlimit with_getrlimit
#define epoll_wait_until with_epoll_wait_until
#define interruptible arch_syscall_cancellable

#define REAL(type, name, parameters, arguments) name,

struct sys sys = {SYS_CALLS(REAL)};
const struct sys sys_real = {SYS_CALLS(REAL)};
