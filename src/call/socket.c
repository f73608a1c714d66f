/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket.c - sockets: made, connected, read from, written to
 *
 * Receiving goes through the descriptor's record (fd.c) if the socket is ours, else by a message after one try. Sending
 * is tried at once, for it almost always succeeds; what does not fit then is a message.
 */
#include <ellula/call.h>
#include <ellula/ops.h>
#include <signal.h>
#include <unistd.h>

#include "base/compiler.h"
#include "call/do.h"
#include "call/fd.h"
#include "sys/sys.h"

EXPORT int ell_socket(int domain, int type, int protocol)
{
	int fd = sys.socket(domain, type, protocol);

	if (fd >= 0 && !(type & SOCK_NONBLOCK))
		fd_track(fd, fd_drains(fd));
	else if (fd >= 0)
		fd_forget(fd);
	return fd;
}

EXPORT int ell_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct ell_msg m;

	/* A name in a file system may be slow to reach; an Internet address is not. */
	if (addr && len >= sizeof(addr->sa_family) && addr->sa_family != AF_UNIX)
		return sys.bind(fd, addr, len);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_bind(&m, fd, addr, len);
	return (int)call_result(call_do(&m, ELL_FOREVER));
}

EXPORT int ell_listen(int fd, int backlog)
{
	return sys.listen(fd, backlog);
}

EXPORT int ell_shutdown(int fd, int how)
{
	return sys.shutdown(fd, how);
}

/* A socket that is ours is not; of another one the kernel knows. */
static bool is_nonblocking(int fd)
{
	return !fd_tracked(fd) && fd_is_nonblocking(fd);
}

EXPORT int ell_accept_until(int fd, struct sockaddr *addr, socklen_t *len, int flags, ell_time until)
{
	struct ell_msg m;
	int64_t new_fd;

	if (is_nonblocking(fd)) {
		new_fd = sys.accept4(fd, addr, len, flags);
		if (new_fd < 0)
			return -1;
	} else {
		ell_msg_init(&m, NULL, NULL);
		ell_msg_accept(&m, fd, addr, len, flags);
		new_fd = call_do(&m, until);
	}
	if (new_fd >= 0 && !(flags & SOCK_NONBLOCK))
		fd_track((int)new_fd, fd_drains((int)new_fd));
	else if (new_fd >= 0)
		fd_forget((int)new_fd);
	return (int)call_result(new_fd);
}

EXPORT int ell_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return ell_accept_until(fd, addr, len, flags, ELL_FOREVER);
}

EXPORT int ell_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return ell_accept_until(fd, addr, len, 0, ELL_FOREVER);
}

EXPORT int ell_connect_until(int fd, const struct sockaddr *addr, socklen_t len, ell_time until)
{
	struct ell_msg m;

	if (is_nonblocking(fd))
		return sys.connect(fd, addr, len);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_connect(&m, fd, addr, len);
	/* Not tried again after EINTR: the connection would go on being made, and the second try fail with EALREADY. */
	return (int)call_result(ell_msg_do_until(&m, until));
}

EXPORT int ell_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return ell_connect_until(fd, addr, len, ELL_FOREVER);
}

/* What one call of recvmsg(2) is to do. */
struct receive {
	struct msghdr *msg; /* NULL: buf and len */
	void *buf;
	size_t len;
	int flags;
};

static size_t length_of(const struct receive *r)
{
	size_t sum = 0;

	if (!r->msg)
		return r->len;
	for (size_t i = 0; i < r->msg->msg_iovlen; i++)
		sum += r->msg->msg_iov[i].iov_len;
	return sum;
}

static int64_t try_receive(int fd, void *arg, bool *more)
{
	const struct receive *r = arg;
	int flags = r->flags | MSG_DONTWAIT;
	ssize_t n;

	do
		n = r->msg ? sys.recvmsg(fd, r->msg, flags) : sys.recv(fd, r->buf, r->len, flags);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	*more = (size_t)n >= length_of(r) || (r->flags & (MSG_PEEK | MSG_OOB));
	return n;
}

/* By a message, after a try. */
static int64_t receive_untracked(int fd, struct receive *r, ell_time until)
{
	struct ell_msg m;
	bool more;
	int64_t n = try_receive(fd, r, &more);

	if (n != -EAGAIN || fd_is_nonblocking(fd))
		return n;
	ell_msg_init(&m, NULL, NULL);
	if (r->msg)
		ell_msg_recvmsg(&m, fd, r->msg, r->flags);
	else
		ell_msg_recv(&m, fd, r->buf, r->len, r->flags);
	return call_do(&m, until);
}

static int64_t receive(int fd, struct receive *r, ell_time until)
{
	struct fd_record *rec;
	bool more;

	if (UNLIKELY(r->flags & MSG_DONTWAIT))
		return try_receive(fd, r, &more);
	rec = fd_tracked(fd);
	return LIKELY(rec != NULL) ? fd_receive(rec, fd, try_receive, r, until) : receive_untracked(fd, r, until);
}

/* With MSG_WAITALL: until all is there, or the end, or an error, which is reported the next time. */
static int64_t receive_all(int fd, struct receive *r, ell_time until)
{
	struct receive part = {.flags = r->flags & ~MSG_WAITALL};
	size_t done = 0;

	while (done < r->len) {
		int64_t n;

		part.buf = (char *)r->buf + done;
		part.len = r->len - done;
		n = receive(fd, &part, until);
		if (n <= 0)
			return done ? (int64_t)done : n;
		done += (size_t)n;
		if (!fd_is_stream(fd))
			break;
	}
	return (int64_t)done;
}

EXPORT ssize_t ell_recv_until(int fd, void *buf, size_t len, int flags, ell_time until)
{
	struct receive r = {.buf = buf, .len = len, .flags = flags};

	if (UNLIKELY((flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL))
		return call_result(receive_all(fd, &r, until));
	return call_result(receive(fd, &r, until));
}

EXPORT ssize_t ell_recv(int fd, void *buf, size_t len, int flags)
{
	return ell_recv_until(fd, buf, len, flags, ELL_FOREVER);
}

EXPORT ssize_t ell_recvmsg_until(int fd, struct msghdr *msg, int flags, ell_time until)
{
	struct receive r = {.msg = msg, .flags = flags};

	return call_result(receive(fd, &r, until));
}

EXPORT ssize_t ell_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return ell_recvmsg_until(fd, msg, flags, ELL_FOREVER);
}

EXPORT ssize_t ell_recvfrom_until(int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *addrlen,
				  ell_time until)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr msg = {
		.msg_name = addr, .msg_namelen = addr && addrlen ? *addrlen : 0, .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (!addr)
		return ell_recv_until(fd, buf, len, flags, until);
	n = ell_recvmsg_until(fd, &msg, flags, until);
	if (n >= 0 && addrlen)
		*addrlen = msg.msg_namelen;
	return n;
}

EXPORT ssize_t ell_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *addrlen)
{
	return ell_recvfrom_until(fd, buf, len, flags, addr, addrlen, ELL_FOREVER);
}

/* A message does not raise the signal that send(2) does. */
static int64_t with_signal(int64_t result, int flags)
{
	if (result == -EPIPE && !(flags & MSG_NOSIGNAL))
		sys.raise(SIGPIPE);
	return result;
}

/* Sends the rest by messages: how much, or -errno if nothing. */
static int64_t send_rest(int fd, const char *buf, size_t len, int flags, size_t done, ell_time until)
{
	while (done < len) {
		struct ell_msg m;
		int64_t n;

		ell_msg_init(&m, NULL, NULL);
		ell_msg_sock_send(&m, fd, buf + done, len - done, flags);
		n = call_do(&m, until);
		if (n < 0)
			return done ? (int64_t)done : with_signal(n, flags);
		done += (size_t)n;
	}
	return (int64_t)done;
}

static ssize_t try_send(int fd, const void *buf, size_t len, int flags)
{
	ssize_t n;

	do
		n = sys.send(fd, buf, len, flags | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
}

EXPORT ssize_t ell_send_until(int fd, const void *buf, size_t len, int flags, ell_time until)
{
	ssize_t n = try_send(fd, buf, len, flags);

	if (LIKELY(n == (ssize_t)len) || (flags & MSG_DONTWAIT))
		return n;
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		return -1;
	if (is_nonblocking(fd))
		return n;
	return call_result(send_rest(fd, buf, len, flags, n < 0 ? 0 : (size_t)n, until));
}

EXPORT ssize_t ell_send(int fd, const void *buf, size_t len, int flags)
{
	return ell_send_until(fd, buf, len, flags, ELL_FOREVER);
}

/* A copy of MSG that begins SKIP bytes later; its vectors go to IOV. */
static struct msghdr msg_after(const struct msghdr *msg, size_t skip, struct iovec *iov)
{
	struct msghdr rest = *msg;
	size_t n = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		struct iovec part = msg->msg_iov[i];

		if (skip >= part.iov_len) {
			skip -= part.iov_len;
			continue;
		}
		part.iov_base = (void *)((uintptr_t)part.iov_base + skip);
		part.iov_len -= skip;
		skip = 0;
		iov[n++] = part;
	}
	rest.msg_iov = iov;
	rest.msg_iovlen = n;
	/* What goes with the message, descriptors perhaps, went with its first byte. */
	rest.msg_control = NULL;
	rest.msg_controllen = 0;
	return rest;
}

enum { IOV_HERE = 64 };

EXPORT ssize_t ell_sendmsg_until(int fd, const struct msghdr *msg, int flags, ell_time until)
{
	const struct receive whole = {.msg = (struct msghdr *)(uintptr_t)msg};
	size_t len = length_of(&whole), done = 0;
	struct iovec iov[IOV_HERE];
	ssize_t n;

	do
		n = sys.sendmsg(fd, msg, flags | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (LIKELY(n == (ssize_t)len) || (flags & MSG_DONTWAIT))
		return n;
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		return -1;
	if (is_nonblocking(fd))
		return n;
	done = n < 0 ? 0 : (size_t)n;
	/* More vectors than fit here: a short count, which the caller has to expect anyway. */
	if (done && msg->msg_iovlen > IOV_HERE)
		return n;
	do {
		struct msghdr rest = done ? msg_after(msg, done, iov) : *msg;
		struct ell_msg m;
		int64_t sent;

		ell_msg_init(&m, NULL, NULL);
		ell_msg_sendmsg(&m, fd, &rest, flags);
		sent = call_do(&m, until);
		if (sent < 0)
			return done ? (ssize_t)done : call_result(with_signal(sent, flags));
		done += (size_t)sent;
	} while (done < len && msg->msg_iovlen <= IOV_HERE);
	return (ssize_t)done;
}

EXPORT ssize_t ell_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return ell_sendmsg_until(fd, msg, flags, ELL_FOREVER);
}

EXPORT ssize_t ell_sendto_until(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
				socklen_t addrlen, ell_time until)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct msghdr msg = {
		.msg_name = (void *)(uintptr_t)addr, .msg_namelen = addrlen, .msg_iov = &iov, .msg_iovlen = 1};

	return addr ? ell_sendmsg_until(fd, &msg, flags, until) : ell_send_until(fd, buf, len, flags, until);
}

EXPORT ssize_t ell_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
			  socklen_t addrlen)
{
	return ell_sendto_until(fd, buf, len, flags, addr, addrlen, ELL_FOREVER);
}
