/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * threads.h - all that the server wants of threads: with user threads or, if HTTPD_NPTL is defined, with kernel threads
 *
 * Two headers implement this interface; the server above it is the same source, in plain blocking style:
 *
 * int threads_main(int (*fn)(void *arg), void *arg, unsigned vcpus)
 *	runs FN as the first thread and returns what it returns. VCPUS 0: as many as the machine has.
 * int threads_start(void *(*fn)(void *arg), void *arg)
 *	a new thread, with a small stack, that nobody joins: 0 or an errno.
 * void threads_sleep(threads_time ns)
 *
 * struct threads_lock, threads_lock_init(), threads_lock(), threads_unlock()
 * struct threads_cond, threads_cond_init(), threads_cond_wait(cond, lock, until), threads_cond_signal()
 *
 * int threads_accept(int listener)
 * struct threads_socket, threads_socket_init(socket, fd)
 *	and on it, each waiting until UNTIL at most, then failing with ETIMEDOUT; none gives EINTR:
 * ssize_t threads_recv(socket, buf, len, until)
 * ssize_t threads_send(socket, buf, len, flags, until)
 * ssize_t threads_sendmsg(socket, msg, until)
 * ssize_t threads_sendfile(socket, fd, offset, count, until)
 * void threads_socket_close(socket)
 *
 * ssize_t threads_pread(int fd, void *buf, size_t len, off_t offset)
 */
#ifndef HTTPD_THREADS_H
#define HTTPD_THREADS_H

#include <stdint.h>
#include <time.h>

#define THREADS_SEC INT64_C(1000000000)
#define THREADS_STACK 65536

/* Nanoseconds on CLOCK_MONOTONIC, on which deadlines are points. */
typedef int64_t threads_time;

/* The present, by the coarse clock: 4 ms are nothing to deadlines of seconds, and a request reads it twice. */
static inline threads_time threads_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * THREADS_SEC + ts.tv_nsec;
}

#ifdef HTTPD_NPTL
#include "threads_nptl.h"
#else
#include "threads_ellula.h"
#endif

#endif
