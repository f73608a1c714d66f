/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * faults.h - the Nth call of one kind fails, once
 *
 * faults_install() puts a function in front of each entry of the table (sys/sys.h). Once faults_on is set they count
 * the calls of each kind, and let one of them fail as the plan says. What may fail with what stands in faults_of[].
 */
#ifndef SYS_FAULTS_H
#define SYS_FAULTS_H

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/atomic.h"
#include "harness/harness.h"
#include "sys/sys.h"

#define FAULTS_NUMBER(type, name, parameters, arguments) CALL_##name,
#define FAULTS_NAME(type, name, parameters, arguments) #name,

enum call { SYS_CALLS(FAULTS_NUMBER) CALLS };

static const char *const call_names[CALLS] = {SYS_CALLS(FAULTS_NAME)};

enum { FAULTS_EACH = 8, SURE = -1 };

/* Which errors a call may give; SURE: it cannot fail, as it is used here. */
static const int faults_of[CALLS][FAULTS_EACH] = {
	[CALL_recv] = {EINTR, ENOMEM, ECONNRESET},
	[CALL_send] = {EINTR, EAGAIN, ENOBUFS, ECONNRESET},
	[CALL_io_uring_submit] = {EINTR, EAGAIN, EBUSY, ENOMEM},
	[CALL_io_uring_submit_and_get_events] = {EINTR, EAGAIN, EBUSY, ENOMEM, EBADR},
	[CALL_io_uring_submit_and_wait] = {EINTR, EAGAIN, EBUSY, ENOMEM, EBADR},
	[CALL_io_uring_submit_and_wait_timeout] = {EINTR, EAGAIN, EBUSY, ENOMEM, EBADR, ETIME},
	[CALL_clock_gettime] = {SURE},
	[CALL_futex] = {EINTR, EAGAIN},
	[CALL_recvmsg] = {EINTR, ENOMEM, ECONNRESET},
	[CALL_sendmsg] = {EINTR, EAGAIN, ENOBUFS, ECONNRESET},
	[CALL_accept4] = {EINTR, EMFILE, ENOMEM, ECONNABORTED},
	[CALL_close] = {EINTR, EIO, ENOSPC},
	[CALL_read] = {EINTR, EIO, ENOMEM},
	[CALL_write] = {EINTR, EIO, ENOSPC},
	[CALL_poll] = {EINTR, ENOMEM},
	[CALL_interruptible] = {EINTR, EAGAIN, EIO, ENOMEM},
	[CALL_getrlimit] = {EINVAL},
	[CALL_openat] = {EINTR, EMFILE, ENFILE, ENOMEM, ENOSPC},
	[CALL_readv] = {EINTR, EIO},
	[CALL_writev] = {EINTR, EIO, ENOSPC},
	[CALL_preadv] = {EINTR, EIO},
	[CALL_pwritev] = {EINTR, EIO, ENOSPC},
	[CALL_preadv2] = {EINTR, EAGAIN, EOPNOTSUPP, EIO, ENOMEM},
	[CALL_pwritev2] = {EINTR, EAGAIN, EOPNOTSUPP, EIO, ENOSPC},
	[CALL_lseek] = {ESPIPE},
	[CALL_fstat] = {ENOMEM},
	[CALL_fcntl] = {EPERM, EBUSY},
	[CALL_ioctl] = {ENOTTY},
	[CALL_fsync] = {EINTR, EIO, ENOSPC},
	[CALL_fdatasync] = {EINTR, EIO, ENOSPC},
	[CALL_sync_file_range] = {EIO, ENOSPC},
	[CALL_ftruncate] = {EINTR, EIO},
	[CALL_posix_fadvise] = {EINVAL},
	[CALL_pipe2] = {EMFILE, ENFILE},
	[CALL_eventfd] = {EMFILE, ENFILE, ENOMEM},
	[CALL_epoll_create1] = {EMFILE, ENFILE, ENOMEM},
	[CALL_epoll_ctl] = {ENOMEM, ENOSPC},
	[CALL_epoll_wait] = {EINTR},
	[CALL_epoll_wait_until] = {EINTR},
	[CALL_statx] = {ENOMEM, EACCES},
	[CALL_unlinkat] = {EIO, ENOMEM},
	[CALL_renameat2] = {EIO, ENOSPC},
	[CALL_mkdirat] = {EIO, ENOSPC},
	[CALL_linkat] = {EIO, ENOSPC},
	[CALL_symlinkat] = {EIO, ENOSPC},
	[CALL_getxattr] = {ENOMEM},
	[CALL_setxattr] = {ENOSPC},
	[CALL_fgetxattr] = {ENOMEM},
	[CALL_fsetxattr] = {ENOSPC},
	[CALL_socket] = {EMFILE, ENFILE, ENOBUFS},
	[CALL_bind] = {EADDRINUSE, ENOMEM},
	[CALL_listen] = {EADDRINUSE},
	[CALL_connect] = {EINTR, ECONNREFUSED, EADDRNOTAVAIL},
	[CALL_shutdown] = {ENOTCONN},
	[CALL_getsockopt] = {ENOMEM},
	[CALL_mmap] = {ENOMEM},
	[CALL_munmap] = {ENOMEM},
	[CALL_mprotect] = {ENOMEM},
	[CALL_madvise] = {EINVAL, ENOMEM, EAGAIN},
	[CALL_process_madvise] = {ENOSYS, EPERM, EINVAL},
	[CALL_mincore] = {EAGAIN},
	[CALL_membarrier] = {EINVAL, ENOSYS},
	[CALL_pthread_create] = {EAGAIN},
	[CALL_pthread_getattr_np] = {ENOMEM},
	[CALL_pthread_sigmask] = {SURE},
	[CALL_pthread_mutex_lock] = {SURE},
	[CALL_pthread_mutex_unlock] = {SURE},
	[CALL_pthread_cond_wait] = {SURE},
	[CALL_pthread_cond_timedwait] = {SURE},
	[CALL_pthread_cond_signal] = {SURE},
	[CALL_pthread_cond_broadcast] = {SURE},
	[CALL_getpid] = {SURE},
	[CALL_gettid] = {SURE},
	[CALL_tgkill] = {SURE},
	[CALL_sigtimedwait] = {EINTR, EAGAIN},
	[CALL_getcpu] = {SURE},
	[CALL_prctl] = {EINVAL},
	[CALL_sched_getaffinity] = {EINVAL},
	[CALL_sched_yield] = {SURE},
	[CALL_nanosleep] = {EINTR},
	[CALL_execve] = {ENOMEM},
	[CALL_execveat] = {ENOMEM},
	[CALL_pause] = {SURE},
	[CALL_waitid] = {EINTR, ECHILD},
	[CALL_sigaction] = {EINVAL},
	[CALL_sigaltstack] = {ENOMEM},
	[CALL_pthread_kill] = {SURE},
	[CALL_io_uring_register_sync_cancel] = {SURE},
	[CALL_raise] = {SURE},
	[CALL_io_uring_queue_init_params] = {EINVAL, ENOMEM, EMFILE},
	[CALL_io_uring_register_ring_fd] = {EINVAL, ENOMEM},
	[CALL_io_uring_register_eventfd] = {EINVAL, ENOMEM},
	[CALL_io_uring_get_probe_ring] = {ENOMEM},
	[CALL_io_uring_queue_exit] = {SURE},
};

/* CALL number NTH, from 0 on, fails with ERROR. */
struct fault {
	enum call call;
	uint32_t nth;
	int error;
};

/* Shared by who plans and the process that is tested. */
struct faults {
	struct fault fault;
	bool is_planned;
	uint32_t is_hit;
	uint32_t counts[CALLS];
};

static struct faults *faults;
static uint32_t faults_on;

/* The error that CALL is to give now, or 0. */
static int faults_next(enum call call)
{
	uint32_t n;

	if (!load_relaxed(&faults_on))
		return 0;
	n = fetch_add_relaxed(&faults->counts[call], 1);
	if (!faults->is_planned || call != faults->fault.call || n != faults->fault.nth)
		return 0;
	store_relaxed(&faults->is_hit, 1);
	return faults->fault.error;
}

/* What CALL returns when it fails with ERROR, by the convention of its family. */
static intptr_t faults_value(enum call call, int error)
{
	if (call == CALL_io_uring_get_probe_ring)
		return 0;
	if (strncmp(call_names[call], "io_uring_", 9) == 0 || call == CALL_interruptible)
		return -error;
	if (strncmp(call_names[call], "pthread_", 8) == 0 || call == CALL_posix_fadvise)
		return error;
	return -1;
}

/* A close(2) that fails has closed all the same. The one call without a result cannot fail. */
#define FAULTS_FRONT(type, name, parameters, arguments)                                                                \
	static type front_##name parameters                                                                            \
	{                                                                                                              \
		int error_ = faults_next(CALL_##name);                                                                 \
                                                                                                                       \
		if (!error_)                                                                                           \
			return sys_real.name arguments;                                                                \
		if (CALL_##name == CALL_close)                                                                         \
			(void)sys_real.name arguments;                                                                 \
		errno = error_;                                                                                        \
		return (type)faults_value(CALL_##name, error_);                                                        \
	}
SYS_CALLS(FAULTS_FRONT)

/* A wake by futex or eventfd never fails; a full eventfd wakes, too. */
static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *until, uint32_t mask)
{
	return ((op & FUTEX_CMD_MASK) == FUTEX_WAKE ? sys_real.futex : front_futex)(word, op, value, until, mask);
}

static ssize_t write_or_wake(int fd, const void *buf, size_t len)
{
	bool is_wake = len == sizeof(uint64_t) && faults->fault.error != EINTR;

	return (is_wake ? sys_real.write : front_write)(fd, buf, len);
}

/* Only what is added needs memory. */
static int add_or_change(int epoll, int op, int fd, struct epoll_event *event)
{
	return (op == EPOLL_CTL_ADD ? front_epoll_ctl : sys_real.epoll_ctl)(epoll, op, fd, event);
}

#define FAULTS_ENTRY(type, name, parameters, arguments) .name = front_##name,

static void faults_install(void)
{
	static const struct sys fronts = {SYS_CALLS(FAULTS_ENTRY)};

	sys = fronts;
	sys.futex = futex;
	sys.write = write_or_wake;
	sys.epoll_ctl = add_or_change;
}

#endif
