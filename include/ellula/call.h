/* SPDX-License-Identifier: BSD-2-Clause */
/* call.h - blocking calls: a message, sent and waited for, with the face of POSIX */
#ifndef ELLULA_CALL_H
#define ELLULA_CALL_H

#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include <ellula/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Each of these is the POSIX (or Linux) function without its prefix: the same arguments, the same result, -1 and errno.
 * They park the calling thread where the other would block the LWP. What can complete at once does so without a
 * message. The forms with UNTIL give ETIMEDOUT when that has passed before anything was done; a count that is there by
 * then is returned instead. A deadline in the past still gets what is there at once.
 *
 * All may switch threads; none is for signal handlers. Foreign kernel threads may call them, too. ENXIO: the runtime is
 * not started. EINTR: a signal handler of ell_sigaction()'s without SA_RESTART has run; in ell_poll() one with it, too.
 *
 * Descriptors. A socket that ell_socket() or ell_accept() returned belongs to the library: once a thread has waited on
 * it, the kernel watches it for us, so it must be closed by ell_close(), not by close(2). It is best left in blocking
 * mode: that decides between waiting and EAGAIN when it is created (SOCK_NONBLOCK), and no later fcntl(2) does.
 * Deadlines take the place of SO_RCVTIMEO and SO_SNDTIMEO. All other descriptors may come from and go to wherever one
 * likes. ell_close() takes any.
 */

ssize_t ell_read(int fd, void *buf, size_t len);
ssize_t ell_read_until(int fd, void *buf, size_t len, ell_time until);
ssize_t ell_readv(int fd, const struct iovec *iov, int count);
ssize_t ell_readv_until(int fd, const struct iovec *iov, int count, ell_time until);
ssize_t ell_pread(int fd, void *buf, size_t len, off_t off);
ssize_t ell_pread_until(int fd, void *buf, size_t len, off_t off, ell_time until);
ssize_t ell_preadv(int fd, const struct iovec *iov, int count, off_t off);
ssize_t ell_preadv_until(int fd, const struct iovec *iov, int count, off_t off, ell_time until);

/* As write(2) in blocking mode: all of it, unless an error or the deadline comes between. */
ssize_t ell_write(int fd, const void *buf, size_t len);
ssize_t ell_write_until(int fd, const void *buf, size_t len, ell_time until);
ssize_t ell_writev(int fd, const struct iovec *iov, int count);
ssize_t ell_writev_until(int fd, const struct iovec *iov, int count, ell_time until);
ssize_t ell_pwrite(int fd, const void *buf, size_t len, off_t off);
ssize_t ell_pwrite_until(int fd, const void *buf, size_t len, off_t off, ell_time until);
ssize_t ell_pwritev(int fd, const struct iovec *iov, int count, off_t off);
ssize_t ell_pwritev_until(int fd, const struct iovec *iov, int count, off_t off, ell_time until);

/* OFF NULL: the position of IN, which moves; else *OFF, which does. As sendfile(2). */
ssize_t ell_sendfile(int out, int in, off_t *off, size_t count);
ssize_t ell_sendfile_until(int out, int in, off_t *off, size_t count, ell_time until);
ssize_t ell_splice(int in, off_t *off_in, int out, off_t *off_out, size_t len, unsigned flags);
ssize_t ell_splice_until(int in, off_t *off_in, int out, off_t *off_out, size_t len, unsigned flags, ell_time until);

int ell_open(const char *path, int flags, ... /* mode_t mode */);
int ell_openat(int dirfd, const char *path, int flags, ... /* mode_t mode */);
int ell_openat_until(int dirfd, const char *path, int flags, mode_t mode, ell_time until);
int ell_close(int fd);
int ell_fsync(int fd);
int ell_fsync_until(int fd, ell_time until);
int ell_fdatasync(int fd);
int ell_fdatasync_until(int fd, ell_time until);
int ell_ftruncate(int fd, off_t len);
int ell_fallocate(int fd, int mode, off_t off, off_t len);
int ell_fstatat(int dirfd, const char *path, struct stat *st, int flags);
int ell_stat(const char *path, struct stat *st);
int ell_fstat(int fd, struct stat *st);
int ell_unlink(const char *path);
int ell_rename(const char *from, const char *to);
int ell_mkdir(const char *path, mode_t mode);

int ell_socket(int domain, int type, int protocol);
int ell_bind(int fd, const struct sockaddr *addr, socklen_t len);
int ell_listen(int fd, int backlog);
int ell_accept(int fd, struct sockaddr *addr, socklen_t *len);
int ell_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int ell_accept_until(int fd, struct sockaddr *addr, socklen_t *len, int flags, ell_time until);
int ell_connect(int fd, const struct sockaddr *addr, socklen_t len);
int ell_connect_until(int fd, const struct sockaddr *addr, socklen_t len, ell_time until);
int ell_shutdown(int fd, int how);

ssize_t ell_recv(int fd, void *buf, size_t len, int flags);
ssize_t ell_recv_until(int fd, void *buf, size_t len, int flags, ell_time until);
ssize_t ell_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *addrlen);
ssize_t ell_recvfrom_until(int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *addrlen,
			   ell_time until);
ssize_t ell_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t ell_recvmsg_until(int fd, struct msghdr *msg, int flags, ell_time until);

/* As send(2) in blocking mode: all of it, unless an error or the deadline comes between. */
ssize_t ell_send(int fd, const void *buf, size_t len, int flags);
ssize_t ell_send_until(int fd, const void *buf, size_t len, int flags, ell_time until);
ssize_t ell_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr, socklen_t addrlen);
ssize_t ell_sendto_until(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr, socklen_t addrlen,
			 ell_time until);
ssize_t ell_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t ell_sendmsg_until(int fd, const struct msghdr *msg, int flags, ell_time until);

/* As poll(2); the deadline form gives 0, not an error, when UNTIL has passed. ENOMEM for very many descriptors. */
int ell_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int ell_poll_until(struct pollfd *fds, nfds_t count, ell_time until);

/* As nanosleep(2): EINTR, and what is left in REMAINING (may be NULL), if a signal handler has run; EINVAL. */
int ell_nanosleep(const struct timespec *duration, struct timespec *remaining);
/* Until UNTIL: 0; or -1 and EINTR, a signal handler (ellula/signal.h) has run. */
int ell_sleep_until(ell_time until);

pid_t ell_waitpid(pid_t pid, int *status, int options);
pid_t ell_waitpid_until(pid_t pid, int *status, int options, ell_time until);
int ell_waitid(idtype_t idtype, id_t id, siginfo_t *info, int options);
int ell_waitid_until(idtype_t idtype, id_t id, siginfo_t *info, int options, ell_time until);

#ifdef __cplusplus
}
#endif
#endif
