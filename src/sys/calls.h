/* SPDX-License-Identifier: BSD-2-Clause */
/* calls.h - every call of the kernel's that the runtime makes: a row each, for whoever needs all of them */
#ifndef SYS_CALLS_H
#define SYS_CALLS_H

/*
 * CALL(type, name, parameters, arguments). A row has the name of the function of the C library or of liburing that it
 * stands for, and its convention: -1 and errno, or -errno from liburing, or an error number from pthread_*() and
 * posix_fadvise(). interruptible is any system call that may block for ever, by its number: what it returned or -errno;
 * a word that is not 0, and a signal, end it (arch.h). epoll_wait_until is epoll_pwait2 without a mask. Those with
 * varying arguments have the ones that are used here. What runs most often stands first, so that a few cache lines hold
 * it.
 */
#define SYS_CALLS(CALL)                                                                                                \
	CALL(ssize_t, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))                         \
	CALL(ssize_t, send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags))                   \
	CALL(int, io_uring_submit, (struct io_uring * ring), (ring))                                                   \
	CALL(int, io_uring_submit_and_get_events, (struct io_uring * ring), (ring))                                    \
	CALL(int, io_uring_submit_and_wait, (struct io_uring * ring, unsigned count), (ring, count))                   \
	CALL(int, io_uring_submit_and_wait_timeout,                                                                    \
	     (struct io_uring * ring, struct io_uring_cqe * *cqe, unsigned count, struct __kernel_timespec *left,      \
	      sigset_t *mask),                                                                                         \
	     (ring, cqe, count, left, mask))                                                                           \
	CALL(int, clock_gettime, (clockid_t clock, struct timespec * now), (clock, now))                               \
	CALL(long, futex, (uint32_t * word, int op, uint32_t value, const struct timespec *until, uint32_t mask),      \
	     (word, op, value, until, mask))                                                                           \
	CALL(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))                              \
	CALL(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))                        \
	CALL(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags), (fd, addr, len, flags))         \
	CALL(int, close, (int fd), (fd))                                                                               \
	CALL(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))                                           \
	CALL(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len))                                    \
	CALL(int, poll, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))                       \
	CALL(int64_t, interruptible, (const uint32_t *ended, long nr, long a, long b, long c, long d, long e, long f), \
	     (ended, nr, a, b, c, d, e, f))                                                                            \
	CALL(int, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *event), (epoll, op, fd, event))           \
	CALL(int, epoll_wait_until, (int epoll, struct epoll_event *events, int count, const struct timespec *left),   \
	     (epoll, events, count, left))                                                                             \
	CALL(int, epoll_wait, (int epoll, struct epoll_event *events, int count, int ms), (epoll, events, count, ms))  \
	CALL(int, epoll_create1, (int flags), (flags))                                                                 \
	/* files */                                                                                                    \
	CALL(int, openat, (int dir, const char *path, int flags, mode_t mode), (dir, path, flags, mode))               \
	CALL(ssize_t, readv, (int fd, const struct iovec *iov, int count), (fd, iov, count))                           \
	CALL(ssize_t, writev, (int fd, const struct iovec *iov, int count), (fd, iov, count))                          \
	CALL(ssize_t, preadv, (int fd, const struct iovec *iov, int count, off_t off), (fd, iov, count, off))          \
	CALL(ssize_t, pwritev, (int fd, const struct iovec *iov, int count, off_t off), (fd, iov, count, off))         \
	CALL(ssize_t, preadv2, (int fd, const struct iovec *iov, int count, off_t off, int flags),                     \
	     (fd, iov, count, off, flags))                                                                             \
	CALL(ssize_t, pwritev2, (int fd, const struct iovec *iov, int count, off_t off, int flags),                    \
	     (fd, iov, count, off, flags))                                                                             \
	CALL(off_t, lseek, (int fd, off_t off, int whence), (fd, off, whence))                                         \
	CALL(int, fstat, (int fd, struct stat *st), (fd, st))                                                          \
	CALL(int, fstatat, (int dir, const char *path, struct stat *st, int flags), (dir, path, st, flags))            \
	CALL(int, getrlimit, (int resource, struct rlimit *limit), (resource, limit))                                  \
	CALL(int, fcntl, (int fd, int command, long arg), (fd, command, arg))                                          \
	CALL(int, ioctl, (int fd, unsigned long request, void *arg), (fd, request, arg))                               \
	CALL(int, fsync, (int fd), (fd))                                                                               \
	CALL(int, fdatasync, (int fd), (fd))                                                                           \
	CALL(int, sync_file_range, (int fd, off_t off, off_t len, unsigned flags), (fd, off, len, flags))              \
	CALL(int, ftruncate, (int fd, off_t len), (fd, len))                                                           \
	CALL(int, posix_fadvise, (int fd, off_t off, off_t len, int advice), (fd, off, len, advice))                   \
	CALL(int, pipe2, (int fds[2], int flags), (fds, flags))                                                        \
	CALL(int, eventfd, (unsigned count, int flags), (count, flags))                                                \
	/* paths */                                                                                                    \
	CALL(int, statx, (int dir, const char *path, int flags, unsigned mask, struct statx *st),                      \
	     (dir, path, flags, mask, st))                                                                             \
	CALL(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))                                \
	CALL(int, renameat2, (int from_dir, const char *from, int to_dir, const char *to, unsigned flags),             \
	     (from_dir, from, to_dir, to, flags))                                                                      \
	CALL(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))                                \
	CALL(int, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags),                     \
	     (from_dir, from, to_dir, to, flags))                                                                      \
	CALL(int, symlinkat, (const char *to, int dir, const char *path), (to, dir, path))                             \
	CALL(ssize_t, getxattr, (const char *path, const char *name, void *value, size_t size),                        \
	     (path, name, value, size))                                                                                \
	CALL(int, setxattr, (const char *path, const char *name, const void *value, size_t size, int flags),           \
	     (path, name, value, size, flags))                                                                         \
	CALL(ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t size), (fd, name, value, size))        \
	CALL(int, fsetxattr, (int fd, const char *name, const void *value, size_t size, int flags),                    \
	     (fd, name, value, size, flags))                                                                           \
	/* sockets */                                                                                                  \
	CALL(int, socket, (int domain, int type, int protocol), (domain, type, protocol))                              \
	CALL(int, bind, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))                         \
	CALL(int, listen, (int fd, int backlog), (fd, backlog))                                                        \
	CALL(int, connect, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))                      \
	CALL(int, shutdown, (int fd, int how), (fd, how))                                                              \
	CALL(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),                              \
	     (fd, level, name, value, len))                                                                            \
	/* memory */                                                                                                   \
	CALL(void *, mmap, (void *at, size_t len, int prot, int flags, int fd, off_t off),                             \
	     (at, len, prot, flags, fd, off))                                                                          \
	CALL(int, munmap, (void *at, size_t len), (at, len))                                                           \
	CALL(int, mprotect, (void *at, size_t len, int prot), (at, len, prot))                                         \
	CALL(int, madvise, (void *at, size_t len, int advice), (at, len, advice))                                      \
	CALL(ssize_t, process_madvise, (int pidfd, const struct iovec *ranges, size_t count, int advice),              \
	     (pidfd, ranges, count, advice))                                                                           \
	CALL(int, mincore, (void *at, size_t len, unsigned char *present), (at, len, present))                         \
	/* kernel threads, processes, signals */                                                                       \
	CALL(int, pthread_create, (pthread_t * thread, const pthread_attr_t *attr, void *(*main)(void *), void *arg),  \
	     (thread, attr, main, arg))                                                                                \
	CALL(int, pthread_getattr_np, (pthread_t thread, pthread_attr_t * attr), (thread, attr))                       \
	CALL(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *before), (how, set, before))               \
	CALL(int, pthread_mutex_lock, (pthread_mutex_t * lock), (lock))                                                \
	CALL(int, pthread_mutex_unlock, (pthread_mutex_t * lock), (lock))                                              \
	CALL(int, pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t * lock), (cond, lock))                    \
	CALL(int, pthread_cond_timedwait,                                                                              \
	     (pthread_cond_t * cond, pthread_mutex_t * lock, const struct timespec *until), (cond, lock, until))       \
	CALL(int, pthread_cond_signal, (pthread_cond_t * cond), (cond))                                                \
	CALL(int, pthread_cond_broadcast, (pthread_cond_t * cond), (cond))                                             \
	CALL(int, getcpu, (unsigned *cpu, unsigned *node), (cpu, node))                                                \
	CALL(pid_t, gettid, (void), ())                                                                                \
	CALL(int, prctl, (int option, unsigned long arg), (option, arg))                                               \
	CALL(int, sched_getaffinity, (pid_t tid, size_t size, cpu_set_t * set), (tid, size, set))                      \
	CALL(int, sched_yield, (void), ())                                                                             \
	CALL(int, nanosleep, (const struct timespec *ts, struct timespec *left), (ts, left))                           \
	CALL(int, execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp))              \
	CALL(int, execveat, (int dir, const char *path, char *const argv[], char *const envp[], int flags),            \
	     (dir, path, argv, envp, flags))                                                                           \
	CALL(int, pause, (void), ())                                                                                   \
	CALL(int, waitid, (idtype_t type, id_t id, siginfo_t * info, int options), (type, id, info, options))          \
	CALL(int, sigaction, (int number, const struct sigaction *now, struct sigaction *before),                      \
	     (number, now, before))                                                                                    \
	CALL(int, sigaltstack, (const stack_t *now, stack_t *before), (now, before))                                   \
	CALL(pid_t, getpid, (void), ())                                                                                \
	CALL(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *left),                   \
	     (set, info, left))                                                                                        \
	CALL(int, tgkill, (pid_t pid, pid_t tid, int number), (pid, tid, number))                                      \
	CALL(int, membarrier, (int command), (command))                                                                \
	CALL(int, pthread_kill, (pthread_t thread, int number), (thread, number))                                      \
	CALL(int, raise, (int number), (number))                                                                       \
	/* rings, from birth to death */                                                                               \
	CALL(int, io_uring_queue_init_params, (unsigned entries, struct io_uring *ring, struct io_uring_params *p),    \
	     (entries, ring, p))                                                                                       \
	CALL(int, io_uring_register_sync_cancel, (struct io_uring * ring, struct io_uring_sync_cancel_reg * what),     \
	     (ring, what))                                                                                             \
	CALL(int, io_uring_register_ring_fd, (struct io_uring * ring), (ring))                                         \
	CALL(int, io_uring_register_eventfd, (struct io_uring * ring, int fd), (ring, fd))                             \
	CALL(struct io_uring_probe *, io_uring_get_probe_ring, (struct io_uring * ring), (ring))                       \
	CALL(void, io_uring_queue_exit, (struct io_uring * ring), (ring))

#endif
