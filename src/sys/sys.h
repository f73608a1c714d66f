/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sys.h - the kernel, as the rooms above see it: one table of calls
 *
 * Purpose: all that the runtime asks of the kernel goes through one place, so that a test can let any call fail, and
 * another kernel can stand in for the real one, with the same code above. scripts/check-sys makes sure that no other
 * room calls by itself; it names the exceptions.
 *
 * A call is sys.recv(fd, ...): one load of a pointer, as a call into a shared library is anyway. Each entry keeps the
 * name and the convention of the function that it stands for (sys/calls.h).
 *
 * Who replaces entries does it before the runtime starts, while there is one kernel thread: `sys.recv = mine;`. The
 * replacement finds the real one in sys_real.
 *
 * Rejected: -errno from every entry. It would be a function more between the caller and the C library for each call,
 * and the convention of neither.
 */
#ifndef SYS_SYS_H
#define SYS_SYS_H

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "sys/calls.h"

struct __kernel_timespec;
struct epoll_event;
struct io_uring;
struct io_uring_cqe;
struct io_uring_params;
struct io_uring_probe;
struct io_uring_sync_cancel_reg;
struct rlimit;
struct stat;
struct statx;

#define SYS_ENTRY(type, name, parameters, arguments) type(*name) parameters;

struct sys {
	SYS_CALLS(SYS_ENTRY)
};

extern struct sys sys;
extern const struct sys sys_real;

#endif
