/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * threads_nptl.h - threads.h with kernel threads
 *
 * Deadlines are the socket's own time-outs, because a poll() before each recv() would cost a system call per request.
 * setsockopt() is called just when the wanted time-out is another one: in the life of a connection that behaves, three
 * times.
 */
#ifndef HTTPD_THREADS_NPTL_H
#define HTTPD_THREADS_NPTL_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define THREADS_KIND "nptl"

static inline int threads_main(int (*fn)(void *), void *arg, unsigned vcpus)
{
	(void)vcpus;
	return fn(arg);
}

static inline int threads_start(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREADS_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return error;
}

static inline void threads_sleep(threads_time ns)
{
	struct timespec ts = {ns / THREADS_SEC, ns % THREADS_SEC};

	nanosleep(&ts, NULL);
}

struct threads_lock {
	pthread_mutex_t mutex;
};

static inline void threads_lock_init(struct threads_lock *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
}

static inline void threads_lock(struct threads_lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
}

static inline void threads_unlock(struct threads_lock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}

struct threads_cond {
	pthread_cond_t cond;
};

static inline void threads_cond_init(struct threads_cond *cond)
{
	pthread_cond_init(&cond->cond, NULL);
}

static inline void threads_cond_wait(struct threads_cond *cond, struct threads_lock *lock, threads_time until)
{
	struct timespec ts = {until / THREADS_SEC, until % THREADS_SEC};

	pthread_cond_clockwait(&cond->cond, &lock->mutex, CLOCK_MONOTONIC, &ts);
}

static inline void threads_cond_signal(struct threads_cond *cond)
{
	pthread_cond_signal(&cond->cond);
}

static inline int threads_accept(int listener)
{
	int fd;

	do
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	return fd;
}

struct threads_socket {
	int fd;
	threads_time recv_within; /* the socket's time-outs, as last set */
	threads_time send_within;
};

static inline void threads_socket_init(struct threads_socket *s, int fd)
{
	*s = (struct threads_socket){.fd = fd};
}

/*
 * Sees to it that the socket waits for about as long as there is until UNTIL: within an eighth. False: that has passed,
 * and the call should not wait at all.
 */
static inline bool threads_arm(struct threads_socket *s, int option, threads_time *within, threads_time until)
{
	threads_time left = until - threads_now(), off = *within - left;
	struct timeval tv = {left / THREADS_SEC, left % THREADS_SEC / 1000};

	if (left < 1000000)
		return false;
	if (off > left / 8 || off < -left / 8) {
		setsockopt(s->fd, SOL_SOCKET, option, &tv, sizeof tv);
		*within = left;
	}
	return true;
}

/* After a call that gave N: should it be made again? Turns the socket's time-out into ours. */
static inline bool threads_again(ssize_t n, bool waited, threads_time until)
{
	if (n >= 0)
		return false;
	if (errno == EINTR)
		return true;
	if (errno != EAGAIN)
		return false;
	if (waited && threads_now() < until)
		return true; /* it was within an eighth, but early */
	errno = ETIMEDOUT;
	return false;
}

static inline ssize_t threads_recv(struct threads_socket *s, void *buf, size_t len, threads_time until)
{
	bool wait;
	ssize_t n;

	do {
		wait = threads_arm(s, SO_RCVTIMEO, &s->recv_within, until);
		n = recv(s->fd, buf, len, wait ? 0 : MSG_DONTWAIT);
	} while (threads_again(n, wait, until));
	return n;
}

static inline ssize_t threads_send(struct threads_socket *s, const void *buf, size_t len, int flags, threads_time until)
{
	bool wait;
	ssize_t n;

	do {
		wait = threads_arm(s, SO_SNDTIMEO, &s->send_within, until);
		n = send(s->fd, buf, len, flags | MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
	} while (threads_again(n, wait, until));
	return n;
}

static inline ssize_t threads_sendmsg(struct threads_socket *s, const struct msghdr *msg, threads_time until)
{
	bool wait;
	ssize_t n;

	do {
		wait = threads_arm(s, SO_SNDTIMEO, &s->send_within, until);
		n = sendmsg(s->fd, msg, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
	} while (threads_again(n, wait, until));
	return n;
}

static inline ssize_t threads_sendfile(struct threads_socket *s, int fd, off_t *offset, size_t count,
				       threads_time until)
{
	ssize_t n;

	do {
		if (!threads_arm(s, SO_SNDTIMEO, &s->send_within, until)) {
			errno = ETIMEDOUT;
			return -1;
		}
		n = sendfile(s->fd, fd, offset, count);
	} while (threads_again(n, true, until));
	return n;
}

static inline void threads_socket_close(struct threads_socket *s)
{
	close(s->fd);
}

static inline ssize_t threads_pread(int fd, void *buf, size_t len, off_t offset)
{
	return pread(fd, buf, len, offset);
}

#endif
