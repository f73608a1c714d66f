/* SPDX-License-Identifier: BSD-2-Clause */
/* ops.h - the operations: what a message can ask of the kernel */
#ifndef ELLULA_OPS_H
#define ELLULA_OPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <ellula/message.h>
#include <ellula/time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct statx;

/*
 * Each function prepares a message for one operation; the message is sent afterwards, any number of times. Preparing
 * replaces what the message was prepared for before, leaves its tag and its port alone, and cannot fail: arguments
 * that make no sense give an error with the reply. Preparing a message that is sent, or whose reply was not taken,
 * aborts and names it. These functions never switch threads and are safe in a signal handler.
 *
 * What holds for all of them:
 *
 * - The result is what the system call of that name returns, or -errno, with the errors of that call. No error goes to
 *   errno. The standard is POSIX where it has the call, and the Linux manual page where not; differences are stated.
 * - What pointers point to (buffers, vectors, paths, addresses) belongs to the message until its reply, and the
 *   descriptors must stay open: closing one does not end what is under way on it. Revoke the message, or shut the
 *   socket down, and wait for the reply.
 * - A negative descriptor is -EBADF; AT_FDCWD is taken where a path comes with a directory. A NULL pointer to
 *   something that is needed is -EFAULT.
 * - A length above ELL_MAX_COUNT, where the kernel would take only part, is -EINVAL.
 * - A message waits until it is done, also on a descriptor with O_NONBLOCK. -EAGAIN comes only if MSG_DONTWAIT,
 *   RWF_NOWAIT or SPLICE_F_NONBLOCK asks for it, and from devices that cannot be polled without reading.
 * - A revoked message that had begun to write, and cannot take it back, replies with the count of what was written.
 */
#define ELL_MAX_COUNT ((size_t)0x7ffff000)

/* Nothing: 0, as soon as the kernel has seen it. */
void ell_msg_nop(struct ell_msg *m);

/*
 * FN(ARG) on a helper LWP, which it may block as it likes: the result is what FN returns. FN is a foreign kernel thread
 * to the library, and takes no signals. Once it has begun it is not interrupted by a revoke. -EFAULT: FN is NULL;
 * -EAGAIN: no more kernel threads, and FN was not called. See also ell_offload().
 */
void ell_msg_call(struct ell_msg *m, int64_t (*fn)(void *arg), void *arg);

/*
 * A request to a port of the program's: only for ell_port_put(). CODE is in ms_opflags, DATA in ms_addr; the receiver
 * reads both there, and sender and receiver may use ms_fd, ms_fd2, ms_addr2, ms_len and ms_off as they like. The
 * result is what the receiver replies with.
 */
void ell_msg_user(struct ell_msg *m, uint32_t code, void *data);

/*
 * Reading and writing. OFF is in bytes from the start of the file; -1 is the descriptor's position, which is moved.
 * Others below 0 are -EINVAL; with any, a descriptor that cannot seek is -ESPIPE. The result is the count of bytes; 0
 * from a read is the end of the file. A write to a pipe or a stream socket, like the system call on a blocking one,
 * ends when all is written, or with the count of what was when it cannot go on. It raises SIGPIPE where write(2)
 * would; ell_msg_sock_send() does not. COUNT is 0 to IOV_MAX vectors, otherwise -EINVAL. FLAGS are the RWF_ ones of
 * preadv2(2); an unknown one is -EOPNOTSUPP.
 */
void ell_msg_read(struct ell_msg *m, int fd, void *buf, size_t len, int64_t off);
void ell_msg_write(struct ell_msg *m, int fd, const void *buf, size_t len, int64_t off);
void ell_msg_readv(struct ell_msg *m, int fd, const struct iovec *iov, int count, int64_t off, int flags);
void ell_msg_writev(struct ell_msg *m, int fd, const struct iovec *iov, int count, int64_t off, int flags);

/* The same, always with an offset: -1 is -EINVAL. */
void ell_msg_pread(struct ell_msg *m, int fd, void *buf, size_t len, int64_t off);
void ell_msg_pwrite(struct ell_msg *m, int fd, const void *buf, size_t len, int64_t off);
void ell_msg_preadv(struct ell_msg *m, int fd, const struct iovec *iov, int count, int64_t off);
void ell_msg_pwritev(struct ell_msg *m, int fd, const struct iovec *iov, int count, int64_t off);

/* fsync(2), fdatasync(2): 0. */
void ell_msg_fsync(struct ell_msg *m, int fd);
void ell_msg_fdatasync(struct ell_msg *m, int fd);

/*
 * sync_file_range(2), fallocate(2), ftruncate(2), posix_fadvise(3): 0. OFF and LEN are in bytes. A LEN of 0 is the
 * end of the file in sync_file_range and fadvise, and one above 4 TiB may be taken as that. A range of more than 2
 * GiB may be worked on in pieces, so after a revoke or an error part of it may be done.
 */
void ell_msg_sync_file_range(struct ell_msg *m, int fd, int64_t off, int64_t len, unsigned flags);
void ell_msg_fallocate(struct ell_msg *m, int fd, int mode, int64_t off, int64_t len);
void ell_msg_ftruncate(struct ell_msg *m, int fd, int64_t len);
void ell_msg_fadvise(struct ell_msg *m, int fd, int64_t off, int64_t len, int advice);

/* madvise(2): 0. ADDR is a multiple of the page size, otherwise -EINVAL. Pieces as above. */
void ell_msg_madvise(struct ell_msg *m, void *addr, size_t len, int advice);

/*
 * splice(2), tee(2): the count of bytes moved; 0, there is nothing and no writer. One end is a pipe, in tee both are.
 * OFF_IN and OFF_OUT are -1 for a pipe and for a file's own position. They are values, not pointers: nothing is
 * written back. FLAGS are the SPLICE_F_ ones. Here a pipe that is O_NONBLOCK gives -EAGAIN, as with the system call.
 */
void ell_msg_splice(struct ell_msg *m, int fd_in, int64_t off_in, int fd_out, int64_t off_out, size_t len,
		    unsigned flags);
void ell_msg_tee(struct ell_msg *m, int fd_in, int fd_out, size_t len, unsigned flags);

/*
 * sendfile(2): COUNT bytes of the file IN to OUT, or fewer if the file ends first: the count of bytes that OUT took.
 * OFF points to where in the file to begin; with the reply it is behind the last byte sent, and the file's position
 * is as it was. OFF NULL uses and moves the position instead, at the end; who moves it meanwhile is overruled. After
 * an error or a revoke in the middle, what was sent is the result, and the offset says where to go on.
 */
void ell_msg_sendfile(struct ell_msg *m, int out, int in, int64_t *off, size_t count);

/* openat(2), and open(2), which is from the working directory: the descriptor. MODE counts if FLAGS make a file. */
void ell_msg_openat(struct ell_msg *m, int dirfd, const char *path, int flags, mode_t mode);
void ell_msg_open(struct ell_msg *m, const char *path, int flags, mode_t mode);

/* close(2): 0. Whatever the result, FD is closed, unless it is -EBADF. */
void ell_msg_close(struct ell_msg *m, int fd);

/*
 * statx(2), unlinkat(2), renameat2(2), mkdirat(2), linkat(2), symlinkat(2): 0. A DIRFD that is no descriptor is
 * -EBADF only if the path is relative. FLAGS are those of the system call.
 */
void ell_msg_statx(struct ell_msg *m, int dirfd, const char *path, int flags, unsigned mask, struct statx *buf);
void ell_msg_unlinkat(struct ell_msg *m, int dirfd, const char *path, int flags);
void ell_msg_renameat(struct ell_msg *m, int olddirfd, const char *oldpath, int newdirfd, const char *newpath,
		      unsigned flags);
void ell_msg_mkdirat(struct ell_msg *m, int dirfd, const char *path, mode_t mode);
void ell_msg_linkat(struct ell_msg *m, int olddirfd, const char *oldpath, int newdirfd, const char *newpath, int flags);
void ell_msg_symlinkat(struct ell_msg *m, const char *target, int newdirfd, const char *linkpath);

/*
 * getxattr(2), fgetxattr(2): the size of the value; with SIZE 0 without fetching it. setxattr(2), fsetxattr(2): 0;
 * FLAGS are 0, XATTR_CREATE or XATTR_REPLACE. More than 64 KiB is -E2BIG.
 */
void ell_msg_getxattr(struct ell_msg *m, const char *path, const char *name, void *value, size_t size);
void ell_msg_setxattr(struct ell_msg *m, const char *path, const char *name, const void *value, size_t size, int flags);
void ell_msg_fgetxattr(struct ell_msg *m, int fd, const char *name, void *value, size_t size);
void ell_msg_fsetxattr(struct ell_msg *m, int fd, const char *name, const void *value, size_t size, int flags);

/* socket(2): the descriptor. TYPE may contain SOCK_CLOEXEC and SOCK_NONBLOCK. bind(2), listen(2), shutdown(2): 0. */
void ell_msg_socket(struct ell_msg *m, int domain, int type, int protocol);
void ell_msg_bind(struct ell_msg *m, int fd, const struct sockaddr *addr, socklen_t len);
void ell_msg_listen(struct ell_msg *m, int fd, int backlog);
void ell_msg_shutdown(struct ell_msg *m, int fd, int how);

/*
 * accept4(2): the new descriptor. ADDR may be NULL; otherwise *LEN is its size before, and the address' length after.
 * FLAGS are SOCK_CLOEXEC and SOCK_NONBLOCK.
 */
void ell_msg_accept(struct ell_msg *m, int fd, struct sockaddr *addr, socklen_t *len, int flags);

/* connect(2): 0 when the connection is there; never -EINPROGRESS. */
void ell_msg_connect(struct ell_msg *m, int fd, const struct sockaddr *addr, socklen_t len);

/*
 * send(2), sendto(2), sendmsg(2): the count of bytes. They differ from the system calls in that they never raise
 * SIGPIPE: -EPIPE is all. On a stream all is sent, as with a blocking socket, unless MSG_DONTWAIT is among FLAGS or
 * the connection breaks. ADDR may be NULL. (A message is itself sent by ell_msg_send(), hence the longer name.)
 */
void ell_msg_sock_send(struct ell_msg *m, int fd, const void *buf, size_t len, int flags);
void ell_msg_sendto(struct ell_msg *m, int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
		    socklen_t addrlen);
void ell_msg_sendmsg(struct ell_msg *m, int fd, const struct msghdr *msg, int flags);

/*
 * The sender of a datagram, in memory of the caller's that belongs to the message until its reply. After it ep_addr
 * and ell_peer_len() are the address, ell_peer_flags() the MSG_ flags that recvmsg(2) gives, MSG_TRUNC among them.
 * There is nothing to initialise.
 */
struct ell_peer {
	struct sockaddr_storage ep_addr;
	struct msghdr ep_msg; /* the library's */
	struct iovec ep_iov;
};

static inline socklen_t ell_peer_len(const struct ell_peer *peer)
{
	return peer->ep_msg.msg_namelen;
}

static inline int ell_peer_flags(const struct ell_peer *peer)
{
	return peer->ep_msg.msg_flags;
}

/*
 * recv(2), recvfrom(2), recvmsg(2): the count of bytes; 0 from a stream is its end. A time-out by SO_RCVTIMEO does not
 * count: ell_msg_do_until() has one. FROM takes the place of recvfrom's address and length, and may be NULL.
 */
void ell_msg_recv(struct ell_msg *m, int fd, void *buf, size_t len, int flags);
void ell_msg_recvfrom(struct ell_msg *m, int fd, void *buf, size_t len, int flags, struct ell_peer *from);
void ell_msg_recvmsg(struct ell_msg *m, int fd, struct msghdr *msg, int flags);

/*
 * Waits for one of EVENTS (POLLIN and so on, see poll(2); beyond 16 bits -EINVAL) of FD, once: the events that have
 * come, POLLERR and POLLHUP among them whether asked for or not. Where poll(2) would say POLLNVAL it is -EBADF.
 * (ell_msg_poll() asks whether a message was replied to, hence the longer name.)
 */
void ell_msg_poll_fd(struct ell_msg *m, int fd, unsigned events);

/*
 * Time: 0, never early. ell_msg_nanosleep() counts NS nanoseconds from the moment at which the message is sent, each
 * time it is; below 0 is -EINVAL. ell_msg_timer() ends at WHEN, at once if that is past, never if it is ELL_FOREVER.
 */
void ell_msg_nanosleep(struct ell_msg *m, int64_t ns);
void ell_msg_timer(struct ell_msg *m, ell_time when);

/*
 * waitid(2): 0, and *INFO (may be NULL) is about the child; with WNOHANG its si_pid is 0 if no child has changed
 * state. -ECHILD, there is no such child.
 */
void ell_msg_waitid(struct ell_msg *m, idtype_t idtype, id_t id, siginfo_t *info, int options);

#ifdef __cplusplus
}
#endif
#endif
