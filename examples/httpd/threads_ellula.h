/* SPDX-License-Identifier: BSD-2-Clause */
/* threads_ellula.h - threads.h with user threads */
#ifndef HTTPD_THREADS_ELLULA_H
#define HTTPD_THREADS_ELLULA_H

#include <ellula/call.h>
#include <ellula/sync.h>
#include <ellula/thread.h>
#include <ellula/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_KIND "ellula"

static inline int threads_main(int (*fn)(void *), void *arg, unsigned vcpus)
{
	char count[16];

	if (vcpus) {
		snprintf(count, sizeof count, "%u", vcpus);
		setenv("ELLULA_VCPUS", count, 1);
	}
	return ell_run(fn, arg);
}

static inline int threads_start(void *(*fn)(void *), void *arg)
{
	static unsigned count;
	struct ell_attr attr;

	ell_attr_init(&attr);
	attr.name = "connection";
	attr.stack_size = THREADS_STACK;
	attr.detached = true;
	/*
	 * The server keeps nothing in thread-local storage across a wait. Such threads do not move: hand them out in
	 * turn.
	 */
	attr.tls = ELL_TLS_SHARED;
	attr.vcpu = (int)(__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED) % (unsigned)ell_vcpus());
	return ell_create(NULL, &attr, fn, arg);
}

static inline void threads_sleep(threads_time ns)
{
	struct timespec ts = {ns / ELL_SEC, ns % ELL_SEC};

	ell_nanosleep(&ts, NULL);
}

struct threads_lock {
	struct ell_mutex mutex;
};

static inline void threads_lock_init(struct threads_lock *lock)
{
	ell_mutex_init(&lock->mutex);
}

static inline void threads_lock(struct threads_lock *lock)
{
	ell_mutex_lock(&lock->mutex);
}

static inline void threads_unlock(struct threads_lock *lock)
{
	ell_mutex_unlock(&lock->mutex);
}

struct threads_cond {
	struct ell_cond cond;
};

static inline void threads_cond_init(struct threads_cond *cond)
{
	ell_cond_init(&cond->cond);
}

static inline void threads_cond_wait(struct threads_cond *cond, struct threads_lock *lock, threads_time until)
{
	ell_cond_wait_until(&cond->cond, &lock->mutex, until);
}

static inline void threads_cond_signal(struct threads_cond *cond)
{
	ell_cond_signal(&cond->cond);
}

static inline int threads_accept(int listener)
{
	return ell_accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

struct threads_socket {
	int fd;
};

static inline void threads_socket_init(struct threads_socket *s, int fd)
{
	s->fd = fd;
}

static inline ssize_t threads_recv(struct threads_socket *s, void *buf, size_t len, threads_time until)
{
	return ell_recv_until(s->fd, buf, len, 0, until);
}

static inline ssize_t threads_send(struct threads_socket *s, const void *buf, size_t len, int flags, threads_time until)
{
	return ell_send_until(s->fd, buf, len, flags | MSG_NOSIGNAL, until);
}

static inline ssize_t threads_sendmsg(struct threads_socket *s, const struct msghdr *msg, threads_time until)
{
	return ell_sendmsg_until(s->fd, msg, MSG_NOSIGNAL, until);
}

static inline ssize_t threads_sendfile(struct threads_socket *s, int fd, off_t *offset, size_t count,
				       threads_time until)
{
	return ell_sendfile_until(s->fd, fd, offset, count, until);
}

static inline void threads_socket_close(struct threads_socket *s)
{
	ell_close(s->fd);
}

static inline ssize_t threads_pread(int fd, void *buf, size_t len, off_t offset)
{
	return ell_pread(fd, buf, len, offset);
}

#endif
